import { spawn } from 'node:child_process';
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
  /** Where each object of the bucket is a file of its name. */
  readonly directory: string;
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
  const child = spawn(program, ['--port', host, '--quiet', 'posix', folder], {
    env: {
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    if (complaint.length < 4096) complaint += bytes.toString();
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const url = `http://${host}`;
  await until('the S3 server answers', async () => {
    if (child.exitCode !== null) throw new Error(`versitygw ended: ${complaint}`);
    return fetch(url).then(
      () => true,
      () => false,
    );
  });
  return { host, url, credentials, bucket, directory, stop };
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
