import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createActiveReceives,
  createGitHttp,
  createHookServer,
  createRepositories,
  gitEnvironment,
  hookSocketPath,
  installHooks,
} from '../src/index.ts';
import type {
  Authorization,
  AuthorizeRequest,
  CommandsRefusal,
  GitHttpLimits,
  GitPolicy,
  HookHandlers,
  Repositories,
} from '../src/index.ts';

export interface Pusher {
  user: string;
}

export interface TestHandlers {
  authorize?: (request: AuthorizeRequest) => Authorization<Pusher>;
  checkCommands?: GitPolicy<Pusher>['checkCommands'];
  preReceive?: HookHandlers<Pusher>['preReceive'];
  procReceive?: HookHandlers<Pusher>['procReceive'];
}

export interface GitService {
  folder: string;
  repositories: Repositories;
  port: number;
  url(appName: string): string;
  /** What the handlers are asked; a test sets those it is about. */
  handlers: TestHandlers;
  /** The log's lines above `info`. */
  logged: { message: string; fields: object }[];
  close(): Promise<void>;
}

const noRefusal: Promise<CommandsRefusal | undefined> = Promise.resolve(undefined);

/** Every app exists under the id `id-<name>`; `main` deploys, and is moved by the default handler. */
export function allow(appName: string, overrides: object = {}): Authorization<Pusher> {
  return {
    ok: true,
    appId: `id-${appName}`,
    deployRefs: ['refs/heads/main'],
    atOnce: 1,
    maxInputBytes: 64 * 1024 * 1024,
    tooLarge: 'this push is larger than 64 MB; keep large files out of git',
    context: { user: 'ada' },
    ...overrides,
  };
}

/** The whole room on real sockets in a temporary folder: HTTP, hooks, repositories. */
export async function startGitService(
  options: { limits?: Partial<GitHttpLimits>; keepAliveSeconds?: number; path?: string } = {},
): Promise<GitService> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-git-'));
  const hooksPath = join(folder, 'hooks');
  await installHooks(hooksPath);
  const receives = createActiveReceives<Pusher>();
  const repositories = createRepositories({
    root: join(folder, 'repositories'),
    hooksPath,
    environment: gitEnvironment({ path: options.path ?? process.env['PATH'] ?? '/usr/bin:/bin' }),
    keepAliveSeconds: options.keepAliveSeconds ?? 5,
  });
  const handlers: TestHandlers = {};
  const logged: GitService['logged'] = [];
  const keep = (fields: object, message: string): unknown => logged.push({ message, fields });
  const log = { info: () => undefined, warn: keep, error: keep };
  const hooks = await createHookServer<Pusher>({
    socketPath: hookSocketPath(hooksPath),
    receives,
    log,
    handlers: {
      preReceive: (push) => handlers.preReceive?.(push) ?? Promise.resolve({ accept: true }),
      procReceive: (push) => handlers.procReceive?.(push) ?? moveRefs(repositories, push),
    },
  });
  const policy: GitPolicy<Pusher> = {
    authorize: (request) =>
      Promise.resolve(handlers.authorize?.(request) ?? allow(request.appName)),
    checkCommands: (push) => handlers.checkCommands?.(push) ?? noRefusal,
  };
  const listener = createGitHttp({
    repositories,
    receives,
    policy,
    log,
    ...(options.limits ? { limits: options.limits } : {}),
  });
  const server = await listen(listener);
  const { port } = server.address() as AddressInfo;
  return {
    folder,
    repositories,
    port,
    url: (appName) => `http://127.0.0.1:${port}/${appName}.git`,
    handlers,
    logged,
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
      await hooks.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer({ requestTimeout: 0 }, listener);
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  return server;
}

/** The handler of a build that succeeds. */
export async function moveRefs(
  repositories: Repositories,
  push: { appId: string; commands: readonly { ref: string; oldSha: string; newSha: string }[] },
): ReturnType<HookHandlers<Pusher>['procReceive']> {
  return Promise.all(
    push.commands.map(async (command) => {
      const moved = await repositories.updateRef(push.appId, command);
      return moved.ok
        ? { ref: command.ref, ok: true as const }
        : { ref: command.ref, ok: false as const, reason: moved.failure.message };
    }),
  );
}
