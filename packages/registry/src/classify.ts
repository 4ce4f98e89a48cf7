import { z } from 'zod';
import { printable, redactUrl, RegistryFailure } from './failure.ts';
import type { RegistryFailureReason } from './failure.ts';

export interface RefusedAnswer {
  readonly method: string;
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Source: OCI distribution-spec v1.1, "Error Codes". */
const ErrorBody = z.object({
  errors: z
    .array(z.object({ code: z.string().optional(), message: z.string().nullish() }))
    .max(100),
});

const throttled = /rate.?exceeded|rate.?limit|too.?many.?requests|throttl/i;
const immutable = /immutab|cannot be overwritten/i;
const temporaryStatuses = new Set([408, 500, 502, 503, 504, 522]);

/** Says what an answer outside 2xx means, and whether to try again.
 *  Sources: distribution-spec v1.1; and what registries do beside it: ECR refuses a tag with 400 and
 *  throttles with 403, Google's registries refuse a tag with 400 FAILED_PRECONDITION, Harbor with 412. */
export function classifyAnswer(answer: RefusedAnswer, nowMs: number): RegistryFailure {
  const { codes, text } = readErrors(answer);
  const { reason, temporary } = judge(answer, `${codes.join(' ')} ${text}`);
  const retryAfterMs = readRetryAfter(oneHeader(answer.headers['retry-after']), nowMs);
  const { method, url, status } = answer;
  const said = text === '' ? '' : `: ${text}`;
  return new RegistryFailure(`${url.host} answered ${status} to ${method} ${url.pathname}${said}`, {
    reason,
    temporary,
    method,
    url: redactUrl(url),
    status,
    codes,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function judge(
  { method, status, headers }: RefusedAnswer,
  said: string,
): { reason: RegistryFailureReason; temporary: boolean } {
  const writes = method !== 'GET' && method !== 'HEAD';
  if (status === 429 || (status >= 400 && status !== 404 && throttled.test(said))) {
    return { reason: 'RateLimited', temporary: true };
  }
  if (temporaryStatuses.has(status)) return { reason: 'RegistryUnavailable', temporary: true };
  if (status >= 500) return lasting('RegistryUnavailable');
  if (writes && immutable.test(said)) return lasting('TagImmutable');
  switch (status) {
    case 401: {
      // The token service gave what it may give, and that was not the right to push.
      const lacksScope = /insufficient_scope/.test(oneHeader(headers['www-authenticate']) ?? '');
      return lasting(writes && lacksScope ? 'PushDenied' : 'RegistryUnauthorized');
    }
    case 403:
      return lasting(writes ? 'PushDenied' : 'RegistryUnauthorized');
    case 404:
      return lasting('NotFound');
    case 413:
      return lasting('ManifestTooLarge');
    default:
      return lasting('ManifestInvalid');
  }
}

function lasting(reason: RegistryFailureReason): {
  reason: RegistryFailureReason;
  temporary: boolean;
} {
  return { reason, temporary: false };
}

/** `Retry-After` in milliseconds from now, from seconds or an HTTP date. */
export function readRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

export function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}

function readErrors({ headers, body }: RefusedAnswer): { codes: string[]; text: string } {
  const parsed = ErrorBody.safeParse(parseJson(body));
  if (parsed.success) {
    const errors = parsed.data.errors.slice(0, 3);
    const codes = errors.flatMap(({ code }) => (code ? [printable(code, 64)] : []));
    const texts = errors.map(({ code, message }) => [code, message].filter(Boolean).join(' '));
    return { codes, text: printable(texts.join('; ')) };
  }
  // A proxy's HTML page says nothing to a user; a plain sentence may.
  const isPage = /html/i.test(oneHeader(headers['content-type']) ?? '') || body.startsWith('<');
  return { codes: [], text: isPage ? '' : printable(body) };
}

/** The JSON value, or undefined when the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
