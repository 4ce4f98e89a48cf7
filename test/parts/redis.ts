import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A real redis-server of one test, on a unix socket in a directory of its own; it keeps nothing on disk. */
export interface TestRedis {
  readonly socketPath: string;
  /** `redis://127.0.0.1:<port>`, where `tcp` was asked for. */
  readonly url: string;
  /** Starts it again after `kill`, empty. */
  start(): Promise<void>;
  /** `kill -9`, or the signal: connections break, data is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stops it in its tracks (SIGSTOP): connections stay and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** FLUSHALL. */
  flush(): Promise<void>;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

const readyMs = 20_000;

export async function startRedis({ tcp = false } = {}): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'hephy-redis-'));
  const port = tcp ? await freePort() : 0;
  const socketPath = join(directory, 'redis.sock');
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    server = spawn('redis-server', redisArguments({ directory, socketPath, port }), {
      stdio: 'ignore',
    });
    await once(server, 'spawn');
    await untilAnswers(socketPath);
  };
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill(signal);
    await gone;
  };
  await start();
  return {
    socketPath,
    url: `redis://127.0.0.1:${port}`,
    start,
    kill,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    flush: async () => {
      await ask(socketPath, 'FLUSHALL');
    },
    stop: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** redis-server cannot tell which port it took, so we look for a free one first. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function redisArguments(at: { directory: string; socketPath: string; port: number }): string[] {
  const settings = {
    port: String(at.port),
    bind: '127.0.0.1',
    unixsocket: at.socketPath,
    dir: at.directory,
    save: '',
    appendonly: 'no',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function untilAnswers(socketPath: string): Promise<void> {
  const deadline = Date.now() + readyMs;
  for (;;) {
    try {
      await ask(socketPath, 'PING');
      return;
    } catch (cause) {
      if (Date.now() > deadline) throw new Error('redis-server did not start', { cause });
      await delay(20);
    }
  }
}

/** One inline command, one answer. */
async function ask(socketPath: string, command: string): Promise<string> {
  const socket = connect(socketPath);
  try {
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer within 5 s')));
    socket.write(`${command}\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    const text = answer.toString();
    if (!text.startsWith('+')) throw new Error(`redis-server said ${text.trim()}`);
    return text;
  } finally {
    socket.destroy();
  }
}
