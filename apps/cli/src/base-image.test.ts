import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ImageIndex, ImageManifest } from '@hephy/oci';
import { createRegistryClient } from '@hephy/registry';
import type { RegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { seedBaseImage } from './base-image.ts';
import { defaultCacheDir } from './cache-directory.ts';
import type { BaseImage } from './base-image.ts';
import { readElfMachine } from './base-image/architectures.ts';

const run = promisify(execFile);
const platforms = ['linux/amd64', 'linux/arm64'];
const repository = 'base/busybox';
let registry: TestRegistry;
let client: RegistryClient;
let folder: string;
let seeded: BaseImage;

const seed = (more: { cacheDir?: string; platforms?: string[] } = {}) =>
  seedBaseImage({
    registry: registry.host,
    repository,
    platforms,
    cacheDir: defaultCacheDir(process.env),
    workDir: join(folder, 'work'),
    log: () => undefined,
    ...more,
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-base-image-'));
  registry = await startRegistry();
  client = createRegistryClient({ registry: registry.host });
  seeded = await seed();
});

afterAll(async () => {
  await client.close();
  await registry.stop();
  await rm(folder, { recursive: true, force: true });
});

async function read(reference: string): Promise<unknown> {
  const manifest = await client.getManifest(repository, reference);
  return JSON.parse(Buffer.from(manifest?.bytes ?? []).toString());
}

async function layerFile(digest: string): Promise<string> {
  const manifest = ImageManifest.parse(await read(digest));
  const [layer] = manifest.layers;
  if (!layer) throw new Error(`${digest} has no layer`);
  const file = join(folder, 'layer.tar.gz');
  await writeFile(file, (await client.getBlob(repository, layer)) ?? '');
  return file;
}

describe('the base image', () => {
  test('is an OCI index of exactly the platforms asked for', async () => {
    const index = ImageIndex.parse(await read('latest'));
    expect(index.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    expect(index.manifests.map(({ digest, platform }) => [digest, platform])).toEqual([
      [seeded.platforms[0]?.digest, { os: 'linux', architecture: 'amd64' }],
      [seeded.platforms[1]?.digest, { os: 'linux', architecture: 'arm64' }],
    ]);
    expect(seeded.reference).toBe(`${registry.host}/base/busybox:latest`);
  });

  test('holds in each child a busybox whose ELF header names that architecture', async () => {
    const machines = [];
    for (const { digest } of seeded.platforms) {
      const file = await layerFile(digest);
      const { stdout } = await run('tar', ['-xzOf', file, 'bin/busybox'], {
        encoding: 'buffer',
        maxBuffer: 16 * 1024 * 1024,
      });
      machines.push(readElfMachine(stdout));
    }
    expect(machines).toEqual([62, 183]);
  });

  test('can be started: sh is a link to busybox, and everything belongs to root', async () => {
    const file = await layerFile(seeded.platforms[1]?.digest ?? '');
    const { stdout } = await run('tar', ['-tvzf', file, '--numeric-owner']);
    expect(stdout).toMatch(/^lrwxrwxrwx 0\/0 .* bin\/sh -> busybox$/m);
    expect(stdout).toMatch(/^-rwxr-xr-x 0\/0 .* bin\/busybox$/m);
    expect(stdout.trim().split('\n')).not.toContainEqual(expect.not.stringMatching(/^\S+ 0\/0 /));
  });

  test('is taken from the cache the second time, with the same digests and nothing left in the work folder', async () => {
    const again = await seed();
    expect(again).toEqual(seeded);
    expect(await readdir(join(folder, 'work'))).toEqual([]);
  });

  test("can't be had for a platform that Debian has no packages for", async () => {
    await expect(seed({ platforms: ['linux/wasm'] })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('Debian has no packages for linux/wasm') },
    });
  });

  test('is refused when a cached package holds another architecture', async () => {
    const cacheDir = join(folder, 'mixed-cache');
    const [amd64] = await readdir(join(defaultCacheDir(process.env), 'debian/amd64'));
    const own = join(cacheDir, 'debian/arm64');
    await run('mkdir', ['-p', own]);
    await run('cp', [
      join(defaultCacheDir(process.env), 'debian/amd64', amd64 ?? ''),
      join(own, 'busybox-static_1_arm64.deb'),
    ]);
    await expect(seed({ cacheDir, platforms: ['linux/arm64'] })).rejects.toMatchObject({
      cause: { message: 'busybox of arm64 has ELF machine 62 and not 183' },
    });
  });
});
