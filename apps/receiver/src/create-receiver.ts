import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  assertGitVersion,
  createActiveReceives,
  createGitHttp,
  createHookServer,
  createRepositories,
  gitEnvironment,
  hookSocketPath,
  installHooks,
  type GitLog,
} from '@hephy/git';
import { createLine } from './await-turn.ts';
import { createGitHandlers, type GitHandlersDeps, type PushContext } from './git-handlers.ts';
import { maintainRepositories } from './maintain-repositories.ts';
import { moveRefs, type UnmovedRef } from './move-refs.ts';

export interface ReceiverDeps extends Omit<
  GitHandlersDeps,
  'repositories' | 'shutdown' | 'catchUp' | 'line'
> {
  /** Holds `repositories/` and `hooks/`; this process alone writes there. */
  readonly directory: string;
  /** Where git and curl are found. */
  readonly path: string;
  readonly listUnmovedRefs: (appId?: string) => Promise<readonly UnmovedRef[]>;
  /** Answers /livez and /readyz; false where the request is none of these. */
  readonly answerHealth: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly repeat: (everyMs: number, callback: () => unknown) => () => void;
  readonly log: GitLog;
}

export interface Receiver {
  readonly server: Server;
  /** Takes no more pushes, and ends those under way, telling them: their builds go on, and their refs follow. */
  close(): Promise<void>;
}

const moveRefsEveryMs = 5_000;
/** For those who push to hear that their build goes on. */
const goodbyeMs = 1_500;
const maintainEveryMs = 3600_000;

/** The git server: HTTP in front, hooks behind, both around the product's policy. */
export async function createReceiver(deps: ReceiverDeps): Promise<Receiver> {
  const hooksPath = join(deps.directory, 'hooks');
  const environment = gitEnvironment({ path: deps.path });
  await assertGitVersion(environment);
  await installHooks(hooksPath);
  const root = join(deps.directory, 'repositories');
  await mkdir(root, { recursive: true, mode: 0o700 });
  const repositories = createRepositories({ root, hooksPath, environment });
  const leaving = new AbortController();
  const catchUp = (appId?: string): Promise<void> => moveRefs({ ...deps, repositories }, appId);
  const shutdown = leaving.signal;
  const line = createLine();
  const { policy, hooks } = createGitHandlers({ ...deps, repositories, shutdown, catchUp, line });
  const receives = createActiveReceives<PushContext>();
  const { log } = deps;
  const socketPath = hookSocketPath(hooksPath);
  const hookServer = await createHookServer({ socketPath, receives, handlers: hooks, log });
  const git = createGitHttp({ repositories, policy, receives, log });
  // The git transport bounds each part of a request; Node's own limit would cut off long uploads and long builds.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    if (!deps.answerHealth(request, response)) git(request, response);
  });
  const stopCatchingUp = deps.repeat(moveRefsEveryMs, () => catchUp());
  const stopMaintaining = deps.repeat(maintainEveryMs, () =>
    maintainRepositories({
      repositories,
      listAppIds: () => listAppIds(root),
      onError: deps.onError,
    }),
  );
  catchUp().catch(deps.onError);
  return {
    server,
    async close() {
      leaving.abort('shutdown');
      stopCatchingUp();
      stopMaintaining();
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      const waited = deps.wait(goodbyeMs, new AbortController().signal);
      await Promise.race([closed, waited]);
      receives.abortAll(new Error('the receiver stops'));
      await hookServer.close();
      server.closeAllConnections();
    },
  };
}

/** The apps that have a repository: `<app id>.git` below `root`. */
async function listAppIds(root: string): Promise<string[]> {
  const names = await readdir(root);
  return names.filter((name) => name.endsWith('.git')).map((name) => name.slice(0, -4));
}
