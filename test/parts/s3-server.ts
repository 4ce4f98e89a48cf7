import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

export interface S3Server {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly bucket: string;
  /** Where each object of the bucket is a file of its name. Beside it each folder is another bucket. */
  readonly directory: string;
  /** With -9; what it has stays. */
  kill(): Promise<void>;
  /** Again, after `kill`. */
  start(): Promise<void>;
  /** It takes connections and says nothing, until `thaw`. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

const credentials = { accessKeyId: 'tester', secretAccessKey: 'secret-of-the-tester' };
const bucket = 'sources';

/** A versitygw on a free port of this machine, with storage of its own that `stop` removes. */
export async function startS3Server(program: string): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-s3-'));
  const directory = join(folder, bucket);
  await mkdir(directory);
  const host = `127.0.0.1:${await freePort()}`;
  const url = `http://${host}`;
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = startProgram([program, '--port', host, '--quiet', 'posix', folder]);
    await until('the S3 server answers', async () => {
      if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode}`);
      return fetch(url).then(
        () => true,
        () => false,
      );
    });
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  const stop = async (): Promise<void> => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  const freeze = (): void => void child.kill('SIGSTOP');
  const thaw = (): void => void child.kill('SIGCONT');
  return { host, url, credentials, bucket, directory, kill, start, freeze, thaw, stop };
}

/** Should the tests themselves be killed, it goes with them. */
function startProgram(words: readonly string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', ...words], {
    env: {
      PATH: process.env['PATH'] ?? '',
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** It takes no port 0. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
