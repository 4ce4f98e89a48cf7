import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildahCommands, buildahOptionRefusal, renderRegistriesConf } from '@hephy/backends';
import { createLocalDriver, findContainment, machinePlatformOf } from '@hephy/drivers';
import type { Driver } from '@hephy/drivers';
import type { SourceStore } from '@hephy/source';
import { UserError } from '../client/contexts.ts';
import { dataPath, type Connections } from './connect.ts';
import { plainRegistries, builderAuth } from './builder-auth.ts';
import { refuseOptions } from './refuse-options.ts';

const maxLogBytes = 50 * 1024 ** 2;
const maxCacheBytes = 10 * 1024 ** 3;

/** Builders as processes of this machine, with buildah. */
export async function openLocalDriver(
  connections: Connections,
  { sources, path }: { sources: SourceStore; path: string },
): Promise<Driver> {
  refuseHelper(connections);
  const files = await writeBuilderFiles(connections);
  await warnIfUncontained(connections, path);
  const plain = plainRegistries(connections);
  const driver = createLocalDriver({
    directory: dataPath(connections, 'builders'),
    sources,
    commandsFor: (input) => buildahCommands(input, { ...files, plainRegistries: plain }),
    programs: ['buildah'],
    readable: [dataPath(connections, 'buildah')],
    machinePlatform: machinePlatformOf(process.arch),
    environment: { PATH: path },
    maxLogBytes,
    maxCacheBytes,
    newId: connections.newId,
  });
  return refuseOptions(driver, buildahOptionRefusal);
}

/** Builders here keep what they push with in a file, and what a program says ends after some hours. */
function refuseHelper({ settings: { registry } }: Connections): void {
  if (!registry?.credentialHelper || registry.builderCredentials) return;
  throw new UserError(
    'HEPHY_REGISTRY_CREDENTIAL_HELPER is not asked for builds on this machine; set HEPHY_BUILDER_USERNAME and HEPHY_BUILDER_PASSWORD too',
  );
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
  connections: Connections,
): Promise<{ registriesConfPath: string; authFilePath?: string }> {
  const { settings } = connections;
  const directory = dataPath(connections, 'buildah');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const registriesConfPath = join(directory, 'registries.conf');
  const mirrors = settings.baseMirrors.map((mirror) => ({ ...mirror, insecure: false }));
  const conf = renderRegistriesConf({ mirrors, plainRegistries: plainRegistries(connections) });
  await writeFile(registriesConfPath, conf);
  const auth = builderAuth(connections);
  if (auth === undefined) return { registriesConfPath };
  const authFilePath = join(directory, 'auth.json');
  await writeFile(authFilePath, auth, { mode: 0o600 });
  return { registriesConfPath, authFilePath };
}
