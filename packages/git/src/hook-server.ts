import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { ActiveReceive, ActiveReceives } from './active-receives.ts';
import type { HookHandlers } from './hook-handlers.ts';
import { answerPreReceive } from './hook-pre-receive.ts';
import { createProcReceive } from './hook-proc-receive.ts';
import type { GitLog } from './log.ts';

const longestSocketPath = 107;

export interface HookServerOptions<Context> {
  /** `hookSocketPath(folder of installHooks)`; at most 107 bytes. */
  socketPath: string;
  receives: ActiveReceives<Context>;
  handlers: HookHandlers<Context>;
  log: GitLog;
}

export interface HookServer {
  close(): Promise<void>;
}

/**
 * The service's end of the hooks: HTTP on a unix socket that only the service's user can open.
 * It answers only hooks that carry the id of a push that a transport has under way, from that push's
 * repository.
 */
export async function createHookServer<Context>(
  options: HookServerOptions<Context>,
): Promise<HookServer> {
  const { socketPath } = options;
  if (Buffer.byteLength(socketPath) > longestSocketPath) {
    throw new Error(
      `the socket path ${socketPath} is longer than ${longestSocketPath} bytes; choose a data folder with a shorter path`,
    );
  }
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  await rm(socketPath, { force: true });
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 1 }, createListener(options));
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(socketPath, listening.resolve);
  await listening.promise;
  await chmod(socketPath, 0o600);
  return {
    close: () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

function createListener<Context>({ receives, handlers, log }: HookServerOptions<Context>) {
  const procReceive = createProcReceive({ handlers, log });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const receive = receiveOf(request, receives);
    if (receive === undefined) return end(response, 409, 'no push is under way here\n');
    const cutOff = (): unknown => response.destroy();
    receive.signal.addEventListener('abort', cutOff, { once: true });
    response.once('close', () => receive.signal.removeEventListener('abort', cutOff));
    switch (`${request.method} ${request.url}`) {
      case 'POST /pre-receive':
        return answerPreReceive({ receive, request, response }, handlers);
      case 'GET /proc-receive/output':
        return procReceive.connectOutput(receive, response);
      case 'POST /proc-receive':
        return procReceive.answer({ receive, request, response });
      default:
        return end(response, 404, 'no such hook\n');
    }
  }

  return (request: IncomingMessage, response: ServerResponse): void => {
    // What follows an error is 'close'; that is where each answer looks.
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    answer(request, response).catch((error: unknown) => {
      // A response that is gone belongs to a push whose client left.
      if (!response.destroyed) {
        log.error({ err: error, hook: request.url }, 'a hook could not be answered');
      }
      if (response.headersSent) response.destroy();
      else end(response, 500, 'the build service failed; its log says why, push again later\n');
    });
  };
}

function receiveOf<Context>(
  request: IncomingMessage,
  receives: ActiveReceives<Context>,
): ActiveReceive<Context> | undefined {
  const id = request.headers['hephy-receive'];
  const receive = typeof id === 'string' ? receives.find(id) : undefined;
  if (receive === undefined || receive.signal.aborted) return undefined;
  return request.headers['hephy-repository'] === receive.repositoryPath ? receive : undefined;
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
}
