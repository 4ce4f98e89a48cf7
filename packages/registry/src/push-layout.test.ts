import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registryLogin, startRegistry, type TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient, type RegistryClient } from './client.ts';
import { blobFile, writeLayout } from '../../../test/parts/image-layout.ts';
import { pushLayout } from './push-layout.ts';
import { readLayout, type ImageLayout } from './read-layout.ts';
import { verifyChild } from './verify-child.ts';

let folder: string;
let registry: TestRegistry;
let client: RegistryClient;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-push-layout-'));
  registry = await startRegistry({ login: true });
  client = createRegistryClient({
    registry: registry.host,
    credentials: () => Promise.resolve(registryLogin),
  });
});
afterAll(async () => {
  await client.close();
  await registry.stop();
  await rm(folder, { recursive: true, force: true });
});

async function layoutOf(name: string, layers: readonly Buffer[]): Promise<ImageLayout> {
  const directory = join(folder, name);
  await writeLayout(directory, { layers });
  const layout = await readLayout(directory, 'linux/amd64');
  if (!layout.ok) throw new Error(layout.failure.message);
  return layout;
}

const layers = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => Buffer.alloc(70_000, `${index}`));

test('an image is pushed with the digest that it has, and what is there already is not sent', async () => {
  const layout = await layoutOf('image', layers(9));
  const { digest } = layout.manifest;
  const pushed = await pushLayout({ layout, repository: 'shop', tag: 'b-1' }, { client });
  expect(pushed).toMatchObject({ ok: true, digest });
  expect(pushed.ok && pushed.sentBytes).toBeGreaterThan(9 * 70_000);
  const child = { repository: 'shop', digest, platform: 'linux/amd64', tag: 'b-1' };
  expect(await verifyChild(child, { client })).toMatchObject({ ok: true });
  const again = await pushLayout({ layout, repository: 'shop', tag: 'b-2' }, { client });
  expect(again).toEqual({ ok: true, digest, sentBytes: 0 });
});

test('a registry that does not let us in is the reason', async () => {
  const layout = await layoutOf('denied', layers(1));
  const stranger = createRegistryClient({ registry: registry.host });
  const refused = await pushLayout(
    { layout, repository: 'shop', tag: 'b-3' },
    { client: stranger },
  );
  expect(refused).toMatchObject({ ok: false, failure: { reason: 'RegistryUnauthorized' } });
  await stranger.close();
});

test('bytes that are not those of their digest do not become an image', async () => {
  const layout = await layoutOf('changed', [Buffer.from('first')]);
  const [, layer] = layout.blobs;
  await writeFile(blobFile(join(folder, 'changed'), layer?.descriptor.digest ?? ''), 'fir5t');
  const refused = await pushLayout({ layout, repository: 'shop', tag: 'b-4' }, { client });
  expect(refused).toMatchObject({ ok: false, failure: { reason: 'ManifestInvalid' } });
  expect(await client.headManifest('shop', 'b-4')).toBeUndefined();
});
