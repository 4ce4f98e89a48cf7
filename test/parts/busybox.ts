import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { createRegistryClient } from '@hephy/registry';
import { seedBaseImage } from '../../apps/cli/src/base-image.ts';
import { architectureOf } from '../../apps/cli/src/base-image/architectures.ts';
import { makeBusyboxLayer } from '../../apps/cli/src/base-image/busybox-layer.ts';
import { fetchDebianPackage } from '../../apps/cli/src/base-image/debian-package.ts';
import { pushLayer } from '../../apps/cli/src/base-image/push-layer.ts';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { publish } from './publication.ts';

const repository = 'base/busybox';
const fetching = { cacheDir: defaultCacheDir(process.env), log: () => undefined };

/** Puts a base image with a shell into a registry of this machine; answers its `repository:tag`. */
export async function pushBusybox(registry: string, workDir: string): Promise<string> {
  const platforms = ['linux/amd64', 'linux/arm64'];
  await seedBaseImage({ ...fetching, registry, repository, platforms, workDir });
  return `${repository}:latest`;
}

/** The same, with the programs of amd64 for arm64 too: an amd64 machine runs the steps of both. */
export async function pushBusyboxOfAmd64(registry: string, workDir: string): Promise<string> {
  const architecture = architectureOf('linux/amd64');
  const wanted = { name: 'busybox-static', architecture: architecture.debianName };
  const debFile = await fetchDebianPackage(wanted, fetching);
  const folder = join(workDir, 'busybox-of-amd64');
  await mkdir(folder);
  const tar = await makeBusyboxLayer({ debFile, architecture }, folder);
  const client = createRegistryClient({ registry });
  try {
    const push = (name: string): Promise<string> =>
      pushLayer({ repository, platform: { os: 'linux', architecture: name }, tar }, client);
    const digests = [await push('amd64'), await push('arm64')];
    await publish({ repository, digests, tags: ['amd64'] }, client);
  } finally {
    await client.close();
  }
  return `${repository}:amd64`;
}
