/**
 * The images that the cluster starts with, made without any hub: Kubernetes' pause container and the base for
 * Dockerfiles are Debian's static busybox, kaniko is our build of it. They stay in the cache as a registry's
 * storage, which every cluster gets a copy of.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { seedBaseImage } from '../../apps/cli/src/base-image.ts';
import { architectureOf } from '../../apps/cli/src/base-image/architectures.ts';
import { makeBusyboxLayer } from '../../apps/cli/src/base-image/busybox-layer.ts';
import { fetchDebianPackage } from '../../apps/cli/src/base-image/debian-package.ts';
import { cacheEntry } from './cache-entry.ts';
import type { Layout, NodeArchitecture } from './layout.ts';
import { stopProcess } from './processes.ts';
import { pushIndex } from './push-image.ts';
import { registryName, registryStorage, startRegistryServer } from './registry-server.ts';
import { run } from './run.ts';
import { buildTool } from './tools.ts';

export interface ClusterImages {
  readonly pause: string;
  /** The executor is its entrypoint; it is all there is, as in the image that operators use. */
  readonly kaniko: string;
  /** Has a shell, for RUN. */
  readonly base: string;
}

type Log = (sentence: string) => void;

const architectures = ['amd64', 'arm64'] as const;
const certificates = '/etc/ssl/certs/ca-certificates.crt';
const buildRegistryPort = 5051;

export function imagesOf({ registry }: Pick<Layout, 'registry'>): ClusterImages {
  return {
    pause: `${registry}/pause:1`,
    kaniko: `${registry}/kaniko:v1.27.5`,
    base: `${registry}/base:1`,
  };
}

/** Answers the cached storage of a registry that has them all. */
export async function makeImages(layout: Layout, log: Log): Promise<string> {
  const executors = {
    amd64: await buildTool('executor', 'amd64', log),
    arm64: await buildTool('executor', 'arm64', log),
  };
  const key = await imagesKey(executors);
  const entry = await cacheEntry({ kind: 'images', key }, async (folder) => {
    log('making the images');
    const work = join(folder, 'work');
    await mkdir(work);
    await pushAll({ layout, work, log }, executors);
    await rename(registryStorage(work), join(folder, 'registry'));
    await rm(work, { recursive: true });
  });
  return join(entry, 'registry');
}

async function pushAll(
  { layout, work, log }: { layout: Layout; work: string; log: Log },
  executors: Readonly<Record<NodeArchitecture, string>>,
): Promise<void> {
  const address = `${layout.etcd}:${buildRegistryPort}`;
  const client = createRegistryClient({ registry: address });
  try {
    await startRegistryServer(work, address);
    const platforms = architectures.map((architecture) => `linux/${architecture}`);
    const cacheDir = dirname(layout.cache);
    const base = { registry: address, repository: 'base', tag: '1', platforms, cacheDir };
    await seedBaseImage({ ...base, workDir: join(work, 'base'), log });
    await pushPause({ work, cacheDir, log }, client);
    await pushKaniko(work, executors, client);
  } finally {
    await client.close();
    await stopProcess(work, registryName);
  }
}

/** What they are made of: other programs, or other code here, are other images. */
async function imagesKey(executors: Readonly<Record<NodeArchitecture, string>>): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify(executors));
  for (const file of [
    import.meta.filename,
    join(import.meta.dirname, 'push-image.ts'),
    certificates,
  ]) {
    key.update(await readFile(file));
  }
  return key.digest('hex').slice(0, 32);
}

async function pushPause(
  { work, cacheDir, log }: { work: string; cacheDir: string; log: Log },
  client: RegistryClient,
): Promise<void> {
  const images = [];
  for (const architecture of architectures) {
    const debFile = await fetchDebianPackage(
      { name: 'busybox-static', architecture },
      { cacheDir, log },
    );
    const platform = `linux/${architecture}`;
    const folder = await mkdtemp(join(work, 'pause-'));
    await makeBusyboxLayer({ debFile, architecture: architectureOf(platform) }, folder);
    const config = { Entrypoint: ['/bin/sleep', '2147483647'] };
    images.push({ platform, layerFile: join(folder, 'layer.tar'), config });
  }
  await pushIndex({ repository: 'pause', tag: '1' }, images, client);
}

async function pushKaniko(
  work: string,
  executors: Readonly<Record<NodeArchitecture, string>>,
  client: RegistryClient,
): Promise<void> {
  const images = [];
  for (const architecture of architectures) {
    const folder = await mkdtemp(join(work, 'kaniko-'));
    const layerFile = `${folder}.tar`;
    for (const path of ['kaniko/.docker', 'kaniko/ssl/certs', 'workspace']) {
      await mkdir(join(folder, path), { recursive: true });
    }
    await copyFile(executors[architecture], join(folder, 'kaniko/executor'));
    await copyFile(certificates, join(folder, 'kaniko/ssl/certs/ca-certificates.crt'));
    const entries = await readdir(folder);
    const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--sort=name'];
    await run([
      'tar',
      '--create',
      `--file=${layerFile}`,
      ...owner,
      `--directory=${folder}`,
      ...entries,
    ]);
    images.push({ platform: `linux/${architecture}`, layerFile, config: kanikoConfig });
  }
  await pushIndex({ repository: 'kaniko', tag: 'v1.27.5' }, images, client);
}

/** Source: kaniko's deploy/Dockerfile. */
const kanikoConfig = {
  Entrypoint: ['/kaniko/executor'],
  WorkingDir: '/workspace',
  Env: [
    'PATH=/usr/local/bin:/kaniko',
    'HOME=/root',
    'USER=root',
    'SSL_CERT_DIR=/kaniko/ssl/certs',
    'DOCKER_CONFIG=/kaniko/.docker/',
  ],
};
