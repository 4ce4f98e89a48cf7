import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActiveReceives } from './active-receives.ts';
import type { Authorization, GitHttpLimits, GitPolicy } from './http-policy.ts';
import { drain, sendText } from './http-responses.ts';
import type { GitRoute } from './http-route.ts';
import type { GitLog } from './log.ts';
import type { Repositories } from './repositories.ts';

/** One authenticated and routed request, on its way to its answer. */
export interface GitExchange<Context> {
  request: IncomingMessage;
  response: ServerResponse;
  route: GitRoute;
  repositories: Repositories;
  receives: ActiveReceives<Context>;
  policy: GitPolicy<Context>;
  limits: GitHttpLimits;
  log: GitLog;
}

export type Admitted<Context> = Extract<Authorization<Context>, { ok: true }>;

/** What is read of a request that gets a status: git asks with a small one first, so more is nobody's push. */
const refusedBytes = 1024 * 1024;

/** An answer in HTTP's own words. */
export function refuse(
  exchange: Pick<GitExchange<unknown>, 'request' | 'response' | 'limits'>,
  refusal: { status: number; message: string; headers?: Record<string, string> },
): void {
  sendText(exchange.response, refusal);
  drain(exchange.request, {
    maxBytes: refusedBytes,
    idleMs: exchange.limits.uploadIdleMs,
  });
}
