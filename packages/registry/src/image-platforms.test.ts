import { mediaTypes } from '@hephy/oci';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushImage, pushIndex } from '../../../test/parts/images.ts';
import { startRegistry, type TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient, type RegistryClient } from './client.ts';
import { readImagePlatforms } from './image-platforms.ts';

const repository = 'base';
const amd64 = { os: 'linux', architecture: 'amd64' };
const armV6 = { os: 'linux', architecture: 'arm', variant: 'v6' };
let registry: TestRegistry;
let client: RegistryClient;
beforeAll(async () => {
  registry = await startRegistry();
  client = createRegistryClient({ registry: registry.host });
});
afterAll(async () => {
  await client?.close();
  await registry?.stop();
});

const read = (digest: string) => readImagePlatforms({ repository, digest }, { client });

test('an index is for the platforms of its images', async () => {
  const digest = await pushIndex(client, { repository, tag: 'both', platforms: [amd64, armV6] });
  expect(await read(digest)).toEqual([amd64, armV6]);
});

test('what is said about an image is none', async () => {
  const attestation = { os: 'unknown', architecture: 'unknown' };
  const platforms = [amd64, attestation];
  expect(await read(await pushIndex(client, { repository, tag: 'attested', platforms }))).toEqual([
    amd64,
  ]);
});

test('an index that leaves out a platform does not say', async () => {
  const digest = await pushImage(client, { repository, platform: amd64 });
  const size = (await client.headManifest(repository, digest))?.sizeBytes;
  const mediaType = mediaTypes.ociIndex;
  const manifests = [{ mediaType: mediaTypes.ociManifest, digest, size }];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  const put = await client.putManifest({ repository, reference: 'bare', bytes, mediaType });
  expect(await read(put.digest)).toEqual([]);
});

test.each(['oci', 'docker'] as const)('one image in the format %s is for its own', async (kind) => {
  const digest = await pushImage(client, { repository, platform: armV6, kind });
  expect(await read(digest)).toEqual([armV6]);
});

test('an image whose config says nothing does not say', async () => {
  expect(await read(await pushImage(client, { repository, platform: {} }))).toEqual([]);
});

test('what is not there is undefined', async () => {
  expect(await read(`sha256:${'0'.repeat(64)}`)).toBeUndefined();
});
