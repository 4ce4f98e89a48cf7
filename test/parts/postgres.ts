/** A real PostgreSQL server of Debian's package, for one test file: its own directory, a unix socket, nothing on disk kept. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export interface Postgres {
  /** The socket is `.s.PGSQL.5432` in it. */
  readonly directory: string;
  /** Makes an empty database, and answers its URL. */
  createDatabase(): Promise<string>;
  /** Ends the server at once, connections and all, as a crash does. `stop` still has to be called. */
  crash(): Promise<void>;
  /** Starts it again after `crash`, with what it had on disk. */
  start(): Promise<void>;
  /** Ends the server and removes its directory. */
  stop(): Promise<void>;
}

const binaries = '/usr/lib/postgresql/15/bin';
const run = promisify(execFile);
const startTimeoutMs = 60_000;

export async function startPostgres(): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'hephy-pg-'));
  const user = await unprivilegedUser();
  if (user) await chown(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { ...user, cwd: directory, env: { LC_ALL: 'C.UTF-8', PATH: '/usr/bin:/bin' } };
  try {
    const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'];
    await run(join(binaries, 'initdb'), initdb, options);
    const start = (): Promise<ChildProcess> => startServer({ data, directory }, options);
    return serverOf(await start(), { directory, start });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

function serverOf(
  started: ChildProcess,
  { directory, start }: { directory: string; start: () => Promise<ChildProcess> },
): Postgres {
  let server = started;
  let databases = 0;
  return {
    directory,
    async createDatabase() {
      databases += 1;
      const name = `test_${databases}`;
      await run(join(binaries, 'createdb'), ['-h', directory, '-U', 'postgres', name]);
      return `postgresql://postgres@localhost/${name}?host=${encodeURIComponent(directory)}`;
    },
    crash: () => end(server),
    async start() {
      server = await start();
    },
    async stop() {
      await end(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses to run as root; then Debian's `postgres` user runs it. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8');
  const line = passwd.split('\n').find((entry) => entry.startsWith('postgres:'));
  if (!line) throw new Error('no user "postgres"; install the Debian package postgresql-15');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}

async function startServer(
  { data, directory }: { data: string; directory: string },
  options: { uid?: number; gid?: number; cwd: string; env: Record<string, string> },
): Promise<ChildProcess> {
  const settings = [
    `unix_socket_directories=${directory}`,
    'listen_addresses=',
    'fsync=off',
    'synchronous_commit=off',
    'full_page_writes=off',
    'max_connections=60',
  ];
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    { ...options, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  try {
    await untilReady(server);
    return server;
  } catch (error) {
    await end(server);
    throw error;
  }
}

async function untilReady(server: ChildProcess): Promise<void> {
  if (!server.stderr) throw new Error('the server was started without stderr');
  const lines: string[] = [];
  const reader = createInterface({ input: server.stderr });
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new Error(`PostgreSQL ${why}:\n${lines.slice(-20).join('\n')}`));
    const timer = setTimeout(() => fail('did not start in time'), startTimeoutMs);
    server.once('error', (error) => fail(error.message));
    server.once('exit', () => fail('ended before it was ready'));
    reader.on('line', (line) => {
      if (lines.length < 100) lines.push(line);
      if (!line.includes('ready to accept connections')) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return;
  const exited = once(server, 'exit');
  // SIGQUIT is PostgreSQL's immediate shutdown: it ends its children too, which SIGKILL would leave behind.
  server.kill('SIGQUIT');
  await exited;
}
