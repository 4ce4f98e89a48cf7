/** One request to the API server: what is sent, how long it may take, what its answer is. */
import { request, type Dispatcher } from 'undici';
import type { ClusterClock } from './cluster-clock.ts';
import type { KubeConnection } from './kube-connection.ts';
import { failureOfAnswer, failureOfConnection, notUnderstood, parseJson } from './kube-failure.ts';
import { withRetries, type RetryLimits, type Timing } from './kube-retry.ts';

export interface KubeLimits extends RetryLimits {
  /** One call and its answer as a whole. */
  readonly callTimeoutMs: number;
  /** Of a stream, until its answer begins. */
  readonly headersTimeoutMs: number;
  readonly answerBytes: number;
  /** Of a list; a longer one comes in several answers. */
  readonly pageItems: number;
  /** The server ends a watch after this long, and we open the next. */
  readonly watchSeconds: number;
  /** A watch that is silent for this much longer is a dropped connection. */
  readonly watchMarginMs: number;
}

export const defaultKubeLimits: KubeLimits = {
  attempts: 5,
  firstWaitMs: 200,
  longestWaitMs: 30_000,
  callTimeoutMs: 15_000,
  headersTimeoutMs: 15_000,
  answerBytes: 32 * 1024 * 1024,
  pageItems: 250,
  watchSeconds: 60,
  watchMarginMs: 10_000,
};

export interface Requests {
  readonly connection: KubeConnection;
  readonly timing: Timing;
  readonly clock: ClusterClock;
  readonly limits: KubeLimits;
}

type ResponseData = Dispatcher.ResponseData;
type Query = Readonly<Record<string, string | undefined>>;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
  /** A status outside 2xx that is an answer, too. */
  readonly also?: readonly (404 | 409)[];
}

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

/** A call with all its tries. */
export function call(sent: Call, requests: Requests): Promise<Answer> {
  const { timing, limits } = requests;
  const { signal = new AbortController().signal } = sent;
  return withRetries(() => exchange(sent, requests), { timing, limits, signal });
}

async function exchange(
  { method, path, query = {}, body, signal, also = [] }: Call,
  { connection, timing, clock, limits }: Requests,
): Promise<Answer> {
  const what = `${method} ${path}`;
  const timeout = AbortSignal.timeout(limits.callTimeoutMs);
  const { headers, calls } = await connection.access();
  const answer = await request(`${connection.server}${path}${queryOf(query)}`, {
    dispatcher: calls,
    method,
    headers: { ...headers, ...headersFor(method) },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    ...(body && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw failureOfConnection(error, what);
  });
  clock.hear(answer.headers['date']);
  const text = await readText(answer.body, { what, signal, maxBytes: limits.answerBytes });
  const { statusCode: status } = answer;
  if (status >= 200 && status < 300) return { status, value: parseJson(text) };
  const failure = failureOfAnswer({ ...refusalOf(answer), what, body: text }, timing.now());
  // A 409 is of two kinds: there is one already, or somebody else wrote at the same moment.
  if (also.some((expected) => expected === status) && !failure.temporary) {
    return { status, value: undefined };
  }
  throw failure;
}

function headersFor(method: Call['method']): Record<string, string> {
  const accept = { accept: 'application/json' };
  if (method === 'PATCH') return { ...accept, 'content-type': 'application/merge-patch+json' };
  return method === 'POST' ? { ...accept, 'content-type': 'application/json' } : accept;
}

function refusalOf({ statusCode, headers }: Pick<ResponseData, 'statusCode' | 'headers'>): {
  status: number;
  retryAfter: string | undefined;
} {
  const { 'retry-after': retryAfter } = headers;
  return {
    status: statusCode,
    retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
  };
}

interface Reading {
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

async function readText(
  body: ResponseData['body'],
  { maxBytes, ...reading }: Reading & { maxBytes: number },
): Promise<string> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of bytesOf(body, reading)) {
    sizeBytes += part.length;
    if (sizeBytes > maxBytes) {
      throw notUnderstood(reading.what, new Error(`more than ${maxBytes} bytes`));
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function* bytesOf(
  body: AsyncIterable<Buffer>,
  { what, signal }: Reading,
): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    signal?.throwIfAborted();
    throw failureOfConnection(error, what);
  }
}

export interface Streaming {
  readonly path: string;
  readonly query: Query;
  readonly silenceMs?: number;
  readonly signal: AbortSignal;
}

/** The bytes of an answer while they come; one try. */
export async function stream(
  { path, query, silenceMs = 0, signal }: Streaming,
  { connection, timing, clock, limits }: Requests,
): Promise<AsyncIterable<Buffer>> {
  const what = `GET ${path}`;
  const { headers, streams } = await connection.access();
  signal.throwIfAborted();
  const answer = await request(`${connection.server}${path}${queryOf(query)}`, {
    dispatcher: streams,
    headers: { ...headers, accept: '*/*' },
    signal,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: silenceMs,
  }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw failureOfConnection(error, what);
  });
  clock.hear(answer.headers['date']);
  if (answer.statusCode === 200) return bytesOf(answer.body, { what, signal });
  // A stream's silence is not bounded; that of a refusal is.
  const late = setTimeout(() => answer.body.destroy(), limits.callTimeoutMs);
  const maxBytes = limits.answerBytes;
  const body = await readText(answer.body, { what, signal, maxBytes }).finally(() =>
    clearTimeout(late),
  );
  throw failureOfAnswer({ ...refusalOf(answer), what, body }, timing.now());
}

function queryOf(query: Query): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
