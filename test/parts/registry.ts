import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface TestRegistry {
  /** `127.0.0.1:<port>`, or of the address that was asked for. */
  readonly host: string;
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** What a registry with `login: true` asks for. */
export const registryLogin = { username: 'builder', password: 'registry-password' };
/** Another user of it. */
export const otherLogin = { username: 'reader', password: 'reader-password' };
const htpasswd = `builder:$2b$04$Vymi1wk5xEJItM5UWEGEA.o4eg3WY3wrARoly/fUTex49AriDyN42
reader:$2b$04$Vymi1wk5xEJItM5UWEGEA.fkHF91IBGQ3TgWCZdhxuZhLtJyWlHDW
`;
const startDeadlineMs = 60_000;

/** Debian's docker-registry on a free port of this machine, with storage of its own that `stop` removes. */
export async function startRegistry(
  options: {
    login?: boolean;
    address?: string | undefined;
    /** Files of a certificate and its key, PEM. */
    tls?: { certificate: string; key: string };
  } = {},
): Promise<TestRegistry> {
  const { address = '127.0.0.1' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'hephy-registry-'));
  await writeFile(join(folder, 'htpasswd'), htpasswd);
  const configFile = join(folder, 'config.json');
  // JSON is YAML. Port 0: the system picks a free one, and the registry's log says which.
  const config = {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder, 'data') },
      delete: { enabled: true },
    },
    http: { addr: `${address}:0`, ...(options.tls && { tls: options.tls }) },
    ...(options.login && { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } }),
  };
  await writeFile(configFile, JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', configFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const port = await listeningPort(child);
    const host = `${address}:${port}`;
    return { host, port, url: `http://${host}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function listeningPort(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const lines: string[] = [];
  const fail = (why: string, cause?: unknown) =>
    reject(new Error(`docker-registry ${why}:\n${lines.slice(-5).join('\n')}`, { cause }));
  const deadline = setTimeout(() => fail('did not start in time'), startDeadlineMs);
  child.once('error', (error) => fail('could not be started', error));
  child.once('exit', (code) => fail(`ended with ${code}`));
  if (child.stderr) {
    // It reads on after the port is known, or the registry would block on a full pipe.
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (lines.length < 100) lines.push(line);
      const port = /listening on [\d.]+:(\d+)/.exec(line)?.[1];
      if (port) resolve(Number(port));
    });
  }
  try {
    return await promise;
  } finally {
    clearTimeout(deadline);
  }
}
