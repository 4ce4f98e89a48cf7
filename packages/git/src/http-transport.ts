import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ActiveReceives } from './active-receives.ts';
import { advertise } from './http-advertise.ts';
import { parseAuthorization } from './http-credentials.ts';
import { refuse } from './http-exchange.ts';
import type { Admitted, GitExchange } from './http-exchange.ts';
import type { GitHttpLimits, GitPolicy } from './http-policy.ts';
import { defaultGitHttpLimits } from './http-policy.ts';
import { serveReceive } from './http-receive.ts';
import { routeOf } from './http-route.ts';
import { refuseUpload, serveUpload } from './http-upload.ts';
import type { GitLog } from './log.ts';
import type { Repositories } from './repositories.ts';

export interface GitHttpOptions<Context> {
  repositories: Repositories;
  receives: ActiveReceives<Context>;
  policy: GitPolicy<Context>;
  limits?: Partial<GitHttpLimits>;
  log: GitLog;
}

/**
 * git's smart HTTP protocol (version 0) for `node:http`: `/<app>.git`. Every request is put to
 * `policy.authorize`. Each ends in an answer or a closed connection; nothing it does throws.
 * The server has to be made with `requestTimeout: 0`: an upload may take longer than Node's five
 * minutes, and the limits here end those that stand still.
 */
export function createGitHttp<Context>(
  options: GitHttpOptions<Context>,
): (request: IncomingMessage, response: ServerResponse) => void {
  const limits = { ...defaultGitHttpLimits, ...options.limits };
  let running = 0;
  return (request, response) => {
    // What follows an error is 'close'; that is where each answer looks.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    // A client that has stopped reading would hold its repository, and its place among the requests, for ever.
    request.socket.setTimeout(limits.silentMs);
    running += 1;
    response.once('close', () => {
      running -= 1;
    });
    if (running > limits.concurrentRequests) {
      const message = 'the git service is busy; push again in a minute';
      refuse({ request, response, limits }, { status: 503, message });
      return;
    }
    handle({ request, response, limits, ...withoutLimits(options) }).catch((error: unknown) => {
      options.log.error({ err: error, url: request.url }, 'a git request failed');
      const message = 'the git service failed; its log says why, try again later';
      refuse({ request, response, limits }, { status: 500, message });
    });
  };
}

function withoutLimits<Context>(options: GitHttpOptions<Context>) {
  const { repositories, receives, policy, log } = options;
  return { repositories, receives, policy, log };
}

async function handle<Context>(unrouted: Omit<GitExchange<Context>, 'route'>): Promise<void> {
  const { request, policy } = unrouted;
  const routed = routeOf({
    method: request.method,
    url: request.url,
    contentType: request.headers['content-type'],
    contentEncoding: request.headers['content-encoding'],
  });
  if (!routed.ok) return refuse(unrouted, routed);
  const exchange = { ...unrouted, route: routed.route };
  const credentials = parseAuthorization(request.headers.authorization);
  if (credentials === 'malformed') {
    return refuse(exchange, { status: 401, message: 'the Authorization header is malformed' });
  }
  const authorization = await policy.authorize({ ...routed.route, credentials });
  if (!authorization.ok && 'status' in authorization) return refuse(exchange, authorization);
  return routed.route.phase === 'advertise'
    ? advertise(exchange, authorization)
    : serve(exchange, authorization);
}

function serve<Context>(
  exchange: GitExchange<Context>,
  authorization: Admitted<Context> | { ok: false; error: string },
): Promise<void> {
  if (exchange.route.operation === 'receive') return serveReceive(exchange, authorization);
  return authorization.ok
    ? serveUpload(exchange, authorization)
    : refuseUpload(exchange, authorization.error);
}
