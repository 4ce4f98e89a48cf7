import type { Exchange, ExchangeDeps } from './exchange.ts';
import { exchange } from './exchange.ts';
import type { HttpAnswer } from './http.ts';
import type { RetryDeps } from './retry.ts';
import { withRetries } from './retry.ts';

/** What the parts of the client share: one registry, its connections, tokens and limits. */
export interface Session extends ExchangeDeps, RetryDeps {}

export interface CallOptions {
  /** Ends the call at once, waits included; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An exchange that is tried again, with what has to be read from its answer: a body that breaks off
 *  half-way is one more failed try. */
export async function call<T>(
  asked: Exchange,
  session: Session,
  read: (answer: HttpAnswer) => Promise<T>,
): Promise<T> {
  return withRetries(async () => read(await exchange(asked, session)), session, asked.signal);
}

export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

export function pushScope(repository: string): string {
  return `repository:${repository}:pull,push`;
}

/** The address of `path` under a repository, such as `manifests/latest`. */
export function repositoryUrl(registry: URL, repository: string, path: string): URL {
  return new URL(`/v2/${repository}/${path}`, registry);
}
