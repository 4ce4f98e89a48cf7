import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Module, createRequire } from 'node:module';
import { PassThrough, Readable } from 'node:stream';
import type * as NodeGitServer from 'node-git-server';
import { ownSession } from './git-process.ts';
import type { GitEnvironment } from './git-process.ts';

/**
 * node-git-server starts git with `process.env`, which holds the service's secrets, and keeps the child
 * to itself. Node's `require.cache` is the documented place to answer a package's
 * `require('child_process')` with something else; it is put back before anyone else can look. So each
 * child gets the environment of its own request, and its request gets hold of the child.
 */
interface SpawnContext {
  environment: GitEnvironment;
  /** Called with the child; what it returns is what node-git-server takes for git's output. */
  adopt(child: ChildProcessWithoutNullStreams): Readable;
}

const spawnContext = new AsyncLocalStorage<SpawnContext>();

function spawnForRequest(command: string, args: readonly string[]): ChildProcessWithoutNullStreams {
  const context = spawnContext.getStore();
  if (context === undefined) throw new Error('node-git-server started git by itself');
  const child = spawn(command, [...args], {
    env: { ...context.environment },
    stdio: 'pipe',
    detached: ownSession,
  });
  // Without a file descriptor left, Node gives a child without streams, and its 'error' comes later.
  child.stdin ??= new PassThrough().resume();
  child.stdout ??= Readable.from([]);
  child.stderr ??= Readable.from([]);
  child.stdout = context.adopt(child);
  return child;
}

function loadLibrary(): typeof NodeGitServer {
  const require = createRequire(import.meta.url);
  const substitute = new Module('child_process');
  substitute.exports = { spawn: spawnForRequest };
  substitute.loaded = true;
  require.cache['child_process'] = substitute;
  try {
    return require('node-git-server') as typeof NodeGitServer;
  } finally {
    delete require.cache['child_process'];
  }
}

const { Service } = loadLibrary();

/**
 * Lets node-git-server move a request's body into git and git's answer into the response. Of the
 * library only `Service` is used: not its router, its authentication (POST has none), its creation of
 * repositories, its reading of commands, nor its `log` and `reject`. See docs/decisions/git-transport.md.
 */
export function serveWithNodeGitServer(
  exchange: {
    service: 'receive-pack' | 'upload-pack';
    repositoryPath: string;
    request: IncomingMessage;
    response: ServerResponse;
    onError: (error: unknown) => void;
  },
  context: SpawnContext,
): void {
  const { service, repositoryPath, request, response } = exchange;
  // It would read the header again, and fail on some; nobody after us needs the secret.
  delete request.headers.authorization;
  const duplex = new Service({ repo: '', cwd: repositoryPath, service }, request, response);
  // It passes on the errors of request, response and child; without a listener they would end us.
  duplex.on('error', exchange.onError);
  spawnContext.run(context, () => duplex.accept());
}
