/** What the API server, or the way to it, can answer instead of what was asked. */
import { z } from 'zod';

export interface KubeFailureFacts {
  readonly status?: number;
  /** The server's own reason, such as `Forbidden`; or `Unreachable`, `TimedOut`, `NotUnderstood`, `NoCredentials`. */
  readonly reason: string;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly temporary: boolean;
  /** What the server asked us to wait. */
  readonly retryAfterMs?: number;
  /** The server's reasons behind its reason, such as `NamespaceTerminating`. */
  readonly causes?: readonly string[];
}

export class KubeFailure extends Error {
  override readonly name = 'KubeFailure';
  readonly status: number | undefined;
  readonly reason: string;
  readonly temporary: boolean;
  readonly retryAfterMs: number | undefined;
  readonly causes: readonly string[];

  constructor(message: string, facts: KubeFailureFacts, options?: { cause?: unknown }) {
    super(message, options);
    this.status = facts.status;
    this.reason = facts.reason;
    this.temporary = facts.temporary;
    this.retryAfterMs = facts.retryAfterMs;
    this.causes = facts.causes ?? [];
  }
}

/** A `v1` Status: the body of every refusal, and the object of a watch's ERROR event. */
const Status = z.object({
  message: z.string().optional(),
  reason: z.string().optional(),
  code: z.number().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z.array(z.object({ reason: z.string().optional() })).nullish(),
    })
    .nullish(),
});

export interface Refusal {
  /** Method and path, for the message. */
  readonly what: string;
  readonly status: number;
  readonly body: string;
  readonly retryAfter: string | undefined;
}

/** What an answer outside 2xx means. Source: Kubernetes API conventions, "HTTP Status codes" and "Response Status Kind". */
export function failureOfAnswer(
  { what, status, body, retryAfter }: Refusal,
  now: Date,
): KubeFailure {
  const said = Status.safeParse(parseJson(body));
  // A proxy's page says nothing; a kubelet's refusal is a plain sentence.
  const isPage = body.trimStart().startsWith('<');
  const { message = isPage ? '' : body, reason, details } = said.success ? said.data : {};
  const seconds = details?.retryAfterSeconds;
  const retryAfterMs = readRetryAfter(retryAfter, now) ?? (seconds ? seconds * 1000 : undefined);
  return new KubeFailure(
    oneLine(`the API server answered ${status} ${reason ?? ''} to ${what}: ${message}`),
    {
      status,
      reason: reason ?? `HTTP${status}`,
      temporary: isTemporary(status, reason),
      causes: (details?.causes ?? []).flatMap((cause) => cause.reason ?? []),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  );
}

/** What an ERROR event of a watch means; most often 410: the version to go on from is too old. */
export function failureOfEvent(object: unknown, what: string): KubeFailure {
  const said = Status.safeParse(object);
  const status = (said.success ? said.data.code : undefined) ?? 500;
  const body = JSON.stringify(object) ?? '';
  return failureOfAnswer({ what, status, body, retryAfter: undefined }, new Date(0));
}

/** Failures that a further try can't mend: the certificate is not the one of that host. */
const certificateFailure = /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)/;

/** The connection broke, or nothing came in time. */
export function failureOfConnection(error: unknown, what: string): KubeFailure {
  if (error instanceof KubeFailure) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isLate =
    code.endsWith('_TIMEOUT') || (error instanceof Error && error.name === 'TimeoutError');
  const text = error instanceof Error ? error.message : String(error);
  return new KubeFailure(
    oneLine(`the API server did not answer ${what}: ${text} ${code}`),
    { reason: isLate ? 'TimedOut' : 'Unreachable', temporary: !certificateFailure.test(code) },
    { cause: error },
  );
}

export function notUnderstood(what: string, cause: unknown): KubeFailure {
  return new KubeFailure(
    `the answer to ${what} is not what Kubernetes answers`,
    { reason: 'NotUnderstood', temporary: false },
    { cause },
  );
}

/** The JSON value, or undefined when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTemporary(status: number, reason: string | undefined): boolean {
  // An update of a quota that met another one: the server asks to try again.
  if (status === 409) return reason === 'Conflict';
  return status === 408 || status === 429 || status >= 500;
}

/** `Retry-After` in milliseconds from now, from seconds or an HTTP date. */
function readRetryAfter(value: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - now.getTime());
}

function oneLine(text: string): string {
  const line = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}
