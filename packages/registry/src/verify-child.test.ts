import { mediaTypes } from '@hephy/oci';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pushImage } from '../../../test/parts/images.ts';
import { outcome, publish } from '../../../test/parts/publication.ts';
import { startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient } from './client.ts';
import type { RegistryClient } from './client.ts';
import { digestOf } from './digest.ts';
import { verifyChild } from './verify-child.ts';

const repository = 'shop';
let registry: TestRegistry;
let client: RegistryClient;

beforeAll(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ registry: registry.host });
});
afterAll(async () => {
  await client.close();
  await registry.stop();
});

function push(platform: Record<string, unknown>, kind: 'oci' | 'docker' = 'oci'): Promise<string> {
  return pushImage(client, { repository, platform, kind });
}

function verify(digest: string, platform = 'linux/arm64') {
  return verifyChild({ repository, digest, platform }, { client });
}

/** What a config says, what was asked for, and what an index then repeats. */
test.each([
  [{ architecture: 'arm64' }, 'linux/arm64', { architecture: 'arm64' }],
  [
    { architecture: 'arm64', variant: 'v8' },
    'linux/arm64',
    { architecture: 'arm64', variant: 'v8' },
  ],
  [{ architecture: 'arm64' }, 'linux/arm64/v8', { architecture: 'arm64' }],
  [{ architecture: 'aarch64' }, 'linux/arm64', { architecture: 'arm64' }],
  [{ architecture: 'arm' }, 'linux/arm/v7', { architecture: 'arm', variant: 'v7' }],
  [{ architecture: 'arm', variant: 'v6' }, 'linux/arm/v6', { architecture: 'arm', variant: 'v6' }],
  [{ architecture: 'amd64', 'os.features': null }, 'linux/amd64', { architecture: 'amd64' }],
  [
    { architecture: 'amd64', 'os.version': '6.1' },
    'linux/amd64',
    { architecture: 'amd64', osVersion: '6.1' },
  ],
])('a config of %j is the image for %s', async (config, platform, found) => {
  const digest = await push({ os: 'linux', ...config });
  expect(await verify(digest, platform)).toMatchObject({
    ok: true,
    descriptor: { digest },
    configPlatform: { os: 'linux', ...found },
  });
});

test('an image of the right platform that the builder did not push to its tag is refused', async () => {
  const platform = { os: 'linux', architecture: 'arm64' };
  const older = await pushImage(client, { repository, platform, content: 'old\n', tag: 'b-1' });
  const own = await pushImage(client, { repository, platform, content: 'new\n', tag: 'b-2' });
  const verifyWith = (digest: string, tag: string) =>
    verifyChild({ repository, digest, platform: 'linux/arm64', tag }, { client });
  expect(await verifyWith(own, 'b-2')).toMatchObject({ ok: true });
  for (const tag of ['b-2', 'b-3']) {
    expect(await verifyWith(older, tag)).toMatchObject({
      ok: false,
      failure: {
        reason: 'DigestMismatch',
        message: expect.stringContaining(`${repository}:${tag}`),
      },
    });
  }
});

test('the size is that of the bytes, and a Docker image stays one', async () => {
  const digest = await push({ os: 'linux', architecture: 'arm64' }, 'docker');
  const child = await verify(digest);
  const bytes = child.ok ? child.bytes : new Uint8Array();
  expect(digestOf(bytes)).toBe(digest);
  const descriptor = { mediaType: mediaTypes.dockerManifest, digest, size: bytes.length };
  expect(child).toMatchObject({ descriptor });
});

describe('refused is', () => {
  test('a digest that the registry does not have', async () => {
    const absent = `sha256:${'0'.repeat(64)}`;
    const sentence = `${registry.host} has no shop@${absent}, which the build for linux/arm64 reported`;
    expect(await verify(absent)).toMatchObject({
      failure: { reason: 'DigestMissing', message: sentence },
    });
  });

  test.each([
    [{ os: 'linux', architecture: 'amd64' }, 'linux/arm64', 'linux/amd64'],
    [{ os: 'linux', architecture: 'arm', variant: 'v6' }, 'linux/arm/v7', 'linux/arm/v6'],
    [{ os: 'windows', architecture: 'arm64' }, 'linux/arm64', 'windows/arm64'],
  ])('an image of %j for %s', async (config, platform, found) => {
    const digest = await push(config);
    const sentence = `the image built for ${platform} says ${found} in its config (shop@${digest})`;
    expect(await verify(digest, platform)).toMatchObject({
      failure: { reason: 'PlatformMismatch', temporary: false, message: sentence },
    });
  });

  test('an index', async () => {
    const digests = [await push({ os: 'linux', architecture: 'arm64' })];
    const published = await publish({ repository, digests, platforms: ['linux/arm64'] }, client);
    const index = published.ok ? published.digest : '';
    expect(await outcome(verify(index))).toBe('MediaTypeConflict');
  });

  test('an artifact', async () => {
    const empty = Buffer.from('{}');
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: digestOf(empty),
      size: 2,
    };
    await client.uploadBlob({ repository, digest: config.digest, sizeBytes: 2, content: empty });
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const put = { repository, reference: digestOf(bytes), bytes, mediaType: manifest.mediaType };
    const { digest } = await client.putManifest(put);
    expect(await outcome(verify(digest))).toBe('MediaTypeConflict');
  });

  test.each([[{ os: 'linux' }], [{ os: 'linux', architecture: 7 }], [{}]])(
    'the config %j',
    async (config) => {
      expect(await outcome(verify(await push(config)))).toBe('ManifestInvalid');
    },
  );
});
