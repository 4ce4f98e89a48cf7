/**
 * One request to the registry, carried to its end: authorization (asked for once more after a 401) and
 * redirects (followed by us, without Authorization beyond the registry's origin). What comes back has one of
 * the statuses that the caller expects; everything else is thrown as a `RegistryFailure`.
 */
import type { Readable } from 'node:stream';
import type { Authorizer } from './auth.ts';
import { classifyAnswer, oneHeader } from './classify.ts';
import { redactUrl, RegistryFailure } from './failure.ts';
import type { Http, HttpAnswer, HttpRequest } from './http.ts';
import type { RegistryLimits } from './limits.ts';
import { mayFollow } from './origin.ts';

export interface Exchange {
  readonly method: HttpRequest['method'];
  readonly url: URL;
  readonly expect: readonly number[];
  /** Of the token, the push scope of the target first: some registries look at the first alone. */
  readonly scopes: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is opened once for each time that it is sent. */
  readonly body?: Uint8Array | (() => Readable);
  readonly signal?: AbortSignal | undefined;
}

export interface ExchangeDeps {
  readonly registry: URL;
  readonly http: Http;
  readonly authorizer: Authorizer;
  readonly limits: RegistryLimits;
  readonly now: () => number;
}

const redirects = new Set([301, 302, 303, 307, 308]);
const mostRedirects = 5;

/** Sends and answers; the caller reads or drains the answer. */
export async function exchange(asked: Exchange, deps: ExchangeDeps): Promise<HttpAnswer> {
  let url = asked.url;
  for (let followed = 0; followed <= mostRedirects; followed += 1) {
    const answer = await sendAuthorized({ ...asked, url }, deps);
    if (asked.expect.includes(answer.status)) return answer;
    const reads = asked.method === 'GET' || asked.method === 'HEAD';
    if (!reads || !redirects.has(answer.status)) throw await refusal(answer, deps);
    await answer.drain();
    url = redirectTarget(answer, deps.registry);
  }
  throw unfollowed(asked, `redirected more than ${mostRedirects} times`);
}

async function sendAuthorized(asked: Exchange, deps: ExchangeDeps): Promise<HttpAnswer> {
  const { authorizer, http, registry } = deps;
  asked.signal?.throwIfAborted();
  if (asked.url.origin !== registry.origin) return http.send(toRequest(asked));
  const first = await untilAborted(authorizer.headerFor(asked.scopes), asked.signal);
  const answer = await http.send(toRequest(asked, first));
  if (answer.status !== 401) return answer;
  await answer.drain();
  authorizer.learn(answer, first);
  const second = await untilAborted(authorizer.headerFor(asked.scopes), asked.signal);
  return http.send(toRequest(asked, second));
}

/** A token is asked for on behalf of many: one caller's abort ends that caller's wait alone. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function toRequest(asked: Exchange, authorization?: string): HttpRequest {
  const { method, url, headers, body, signal } = asked;
  return {
    method,
    url,
    headers: { ...headers, ...(authorization && { authorization }) },
    ...(body && { body: typeof body === 'function' ? body() : body }),
    ...(signal && { signal }),
  };
}

async function refusal(
  answer: HttpAnswer,
  { limits, now }: ExchangeDeps,
): Promise<RegistryFailure> {
  const bytes = await answer.read(limits.errorBytes);
  return classifyAnswer({ ...answer, body: new TextDecoder().decode(bytes) }, now());
}

function redirectTarget(answer: HttpAnswer, registry: URL): URL {
  const target = locationOf(answer, registry);
  if (!target) throw unfollowed(answer, 'redirected to where we must not follow');
  return target;
}

/** Where `Location` points, relative or not; undefined if it is missing, or we must not go there. */
export function locationOf({ url, headers }: HttpAnswer, registry: URL): URL | undefined {
  const location = oneHeader(headers['location']);
  const target = location === undefined ? null : URL.parse(location, url.href);
  return target && mayFollow(registry, target) ? target : undefined;
}

function unfollowed({ method, url }: { method: string; url: URL }, what: string): RegistryFailure {
  return new RegistryFailure(`${url.host} ${what} for ${method} ${url.pathname}`, {
    reason: 'RegistryUnavailable',
    temporary: false,
    method,
    url: redactUrl(url),
  });
}
