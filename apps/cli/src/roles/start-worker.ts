import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildahCommands, renderRegistriesConf } from '@hephy/backends';
import { createLocalDriver, findContainment, machinePlatformOf } from '@hephy/drivers';
import { createDirectorySourceStore } from '@hephy/source';
import { createWorker } from '@hephy/worker';
import { dataPath, type Connections } from './connect.ts';

const maxLogBytes = 50 * 1024 ** 2;
const maxCacheBytes = 10 * 1024 ** 3;

/** Decides and builds. Needs the stores, the sources, and a machine that can build. */
export async function startWorker(connections: Connections, path: string): Promise<void> {
  const { settings, places, shutdown, newRedis } = connections;
  const sources = createDirectorySourceStore({ directory: dataPath(connections, 'sources') });
  const plainRegistries = places.plainHttp ? [registryHost(places.registry)] : [];
  const files = await writeBuilderFiles(connections, plainRegistries);
  await warnIfUncontained(connections, path);
  const driver = createLocalDriver({
    directory: dataPath(connections, 'builders'),
    sources,
    commandsFor: (input) => buildahCommands(input, { ...files, plainRegistries }),
    programs: ['buildah'],
    readable: [dataPath(connections, 'buildah')],
    machinePlatform: machinePlatformOf(process.arch),
    environment: { PATH: path },
    maxLogBytes,
    maxCacheBytes,
    newId: connections.newId,
  });
  const worker = createWorker({
    ...connections,
    driver,
    sources,
    listLiveSources: () => connections.queries.listLiveSources(),
    connection: newRedis('worker'),
    platformBuilds: settings.workerConcurrency,
  });
  shutdown.add('worker', () => worker.close());
}

async function warnIfUncontained(connections: Connections, path: string): Promise<void> {
  const directory = dataPath(connections, 'builders');
  const { contained } = await findContainment({ directory, read: [], environment: { PATH: path } });
  if (contained) return;
  connections.log.warn(
    {},
    'builders are not contained: this machine forbids namespaces, so a Dockerfile can do what this user can',
  );
}

/** What buildah reads from files: where base images come from, and the credentials of the registry. */
async function writeBuilderFiles(
  { settings, places }: Connections,
  plainRegistries: readonly string[],
): Promise<{ registriesConfPath: string; authFilePath?: string }> {
  const directory = dataPath({ settings }, 'buildah');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const registriesConfPath = join(directory, 'registries.conf');
  const mirrors = settings.baseMirrors.map((mirror) => ({ ...mirror, insecure: false }));
  await writeFile(registriesConfPath, renderRegistriesConf({ mirrors, plainRegistries }));
  const credentials = settings.registry?.credentials;
  if (!credentials) return { registriesConfPath };
  const authFilePath = join(directory, 'auth.json');
  const auth = Buffer.from(`${credentials.username}:${credentials.password.reveal()}`);
  const auths = { [registryHost(places.registry)]: { auth: auth.toString('base64') } };
  await writeFile(authFilePath, JSON.stringify({ auths }), { mode: 0o600 });
  return { registriesConfPath, authFilePath };
}

/** `host[:port]` of `host[:port][/prefix]`. */
function registryHost(address: string): string {
  return address.split('/', 1)[0] ?? address;
}
