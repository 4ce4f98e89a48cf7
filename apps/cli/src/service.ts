import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import type { ListenAddress, Logger, Settings, Shutdown } from '@hephy/runtime';
import { lockDirectory } from '@hephy/store';
import { startEmbeddedRedis } from './embedded/embedded-redis.ts';
import { startEmbeddedRegistry } from './embedded/embedded-registry.ts';
import { connect, dataPath, type Connections, type Places } from './roles/connect.ts';
import { startApi } from './roles/start-api.ts';
import { startPublisher } from './roles/start-publisher.ts';
import { startReceiver } from './roles/start-receiver.ts';
import { startWorker } from './roles/start-worker.ts';

export interface ServiceInput {
  readonly settings: Settings;
  /** Where programs are found. */
  readonly path: string;
  /** What programs of others are given. */
  readonly environment: Connections['environment'];
  /** What is expensive to make, and may be deleted. */
  readonly cacheDirectory: string;
}

export interface ServiceDeps {
  readonly shutdown: Shutdown;
  readonly log: Logger;
}

export interface Service {
  readonly connections: Connections;
  readonly gitUrl: string;
  readonly apiUrl: string;
}

/** All roles in one process. Servers that the settings do not name are started as children, with their data beside ours. */
export async function startService(input: ServiceInput, deps: ServiceDeps): Promise<Service> {
  const settings = {
    ...input.settings,
    dataDirectory: resolve(input.settings.dataDirectory),
    hookAllow: [...input.settings.hookAllow, ...(isForThisMachine(input.settings) ? loopback : [])],
  };
  await mkdir(settings.dataDirectory, { recursive: true, mode: 0o700 });
  // Before anything starts: a second redis-server would take the first one's socket away from it.
  const lock = await lockDirectory(settings.dataDirectory);
  deps.shutdown.add('data directory', () => lock.release());
  const places = await findPlaces({ ...input, settings }, deps);
  const connections = await connect({ ...input, settings, places }, deps);
  await startWorker(connections, input.path);
  startPublisher(connections);
  const gitUrl = await startReceiver(connections, input.path);
  const apiUrl = await startApi({ ...connections, gitUrl });
  return { connections, gitUrl, apiUrl };
}

async function findPlaces(
  { settings, path, cacheDirectory }: ServiceInput,
  { shutdown, log }: ServiceDeps,
): Promise<Places> {
  const { databaseUrl, redisUrl, registry } = settings;
  const onError = (error: unknown): void => log.error({ err: error }, 'embedded server');
  const redis = redisUrl
    ? { url: redisUrl.reveal() }
    : await embedRedis({ directory: dataPath({ settings }, 'redis'), path, onError }, shutdown);
  return {
    database: databaseUrl
      ? { url: databaseUrl.reveal() }
      : { directory: dataPath({ settings }, 'database'), cacheDirectory },
    redis,
    registry: registry?.address ?? (await embedRegistry({ settings, path, onError }, shutdown)),
    plainHttp: registry ? registry.plainHttp : true,
  };
}

async function embedRedis(
  input: Parameters<typeof startEmbeddedRedis>[0],
  shutdown: Shutdown,
): Promise<{ socketPath: string }> {
  const { server, socketPath } = await startEmbeddedRedis(input);
  shutdown.add('embedded redis', () => server.stop());
  return { socketPath };
}

async function embedRegistry(
  input: { settings: Settings; path: string; onError: (error: unknown) => void },
  shutdown: Shutdown,
): Promise<string> {
  const { host, port } = input.settings.listen.registry;
  const { server, address } = await startEmbeddedRegistry({
    directory: dataPath(input, 'registry'),
    path: input.path,
    host,
    port: await freePort({ host, port }),
    onError: input.onError,
  });
  shutdown.add('embedded registry', () => server.stop());
  return address;
}

/** docker-registry cannot tell which port it took, nor say in a word that one is taken, so we try first. */
async function freePort({ host, port }: ListenAddress): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, reject) => {
    server.once('error', reject);
    server.listen(port, host, done);
  });
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error(`no free port on ${host}`);
  return address.port;
}

const loopback = ['127.0.0.0/8', '::1/128'];

/** Then a hook's receiver is usually on this machine too; whoever can name one has a shell here anyway. */
function isForThisMachine({ databaseUrl, listen }: Settings): boolean {
  const hosts = [listen.git.host, listen.api.host];
  return !databaseUrl && hosts.every((host) => /^(?:127\.|::1$|localhost$)/.test(host));
}
