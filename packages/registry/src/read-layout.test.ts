import { execFile } from 'node:child_process';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mediaTypes } from '@hephy/oci';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  amd64,
  blobFile,
  writeLayout,
  type LayoutToWrite,
} from '../../../test/parts/image-layout.ts';
import { readLayout } from './read-layout.ts';

const execute = promisify(execFile);

let folder: string;
let directory: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-layout-'));
  directory = join(folder, 'layout');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The reason of the refusal with its words, or `read`. */
async function outcome(platform = 'linux/amd64'): Promise<string> {
  const layout = await readLayout(directory, platform);
  return layout.ok ? 'read' : `${layout.failure.reason}: ${layout.failure.message}`;
}

test('a whole image is read, each blob once, with the bytes of its manifest', async () => {
  const one = Buffer.from('one');
  const written = await writeLayout(directory, { layers: [one, Buffer.from('two'), one] });
  const layout = await readLayout(directory, 'linux/amd64');
  const bytes = await readFile(blobFile(directory, written.manifest));
  const digest = written.manifest;
  expect(layout).toMatchObject({ ok: true, manifest: { digest, bytes } });
  const read = layout.ok ? layout.blobs.map(({ descriptor }) => descriptor.digest) : [];
  expect(read).toEqual([written.config, ...new Set(written.layers)]);
});

test.each([
  [{ os: 'linux', architecture: 'arm64' }, 'linux/arm64'],
  [{ ...amd64, variant: 'v3' }, 'linux/amd64/v3'],
])('a config of %j is not for linux/amd64', async (config, found) => {
  await writeLayout(directory, { config });
  const what = `the image built for linux/amd64 says ${found} in its config`;
  expect(await outcome()).toBe(`PlatformMismatch: ${what}`);
});

test.each([
  [{ os: 'linux', architecture: 'arm64', variant: 'v8' }, 'linux/arm64'],
  [{ os: 'linux', architecture: 'arm' }, 'linux/arm/v7'],
])('a config of %j is for %s', async (config, platform) => {
  await writeLayout(directory, { config });
  expect(await outcome(platform)).toBe('read');
});

const elsewhere = {
  mediaType: mediaTypes.ociManifest,
  digest: `sha256:${'e'.repeat(64)}`,
  size: 7,
};

test.each<[string, LayoutToWrite, RegExp]>([
  ['a subject', { manifest: { subject: elsewhere } }, /the manifest \S+ is not .* has it: subject/],
  [
    'one blob of two sizes',
    { layers: [Buffer.from('x'), Buffer.from('x')], layer: { size: 2 } },
    /is given two sizes/,
  ],
  ['an artifact type', { manifest: { artifactType: 'a/b' } }, /has it: artifactType/],
  ['addresses of a layer', { layer: { urls: ['http://x'] } }, /has it: layers\.0\.urls/],
  ['data in a descriptor', { layer: { data: 'eA==' } }, /has it: layers\.0\.data/],
  ['a layer of a foreign kind', { layerMediaType: 'text/html' }, /is no layer but text\/html/],
  ['a config of a foreign kind', { manifest: { config: elsewhere } }, /is no config but/],
  ['another type than its own', { manifest: { mediaType: 'a/b' } }, /is a\/b, not application/],
  ['no digest but a path', { layer: { digest: 'sha256:../../etc' } }, /layers\.0\.digest/],
  ['a size that is wrong', { layer: { size: 4 } }, /has 3 bytes, and the manifest says 4/],
  ['no platform', { config: {} }, /the config \S+ is not .*: architecture, os/],
  ['no manifest', { index: { manifests: [] } }, /index\.json names 0 manifests/],
  ['two manifests', { index: { manifests: [elsewhere, elsewhere] } }, /names 2 manifests/],
  ['a manifest that is missing', { index: { manifests: [elsewhere] } }, /is missing|is not of/],
  [
    'an index in place of a manifest',
    { index: { manifests: [{ ...elsewhere, mediaType: mediaTypes.ociIndex }] } },
    /names no image but/,
  ],
  [
    'more layers than any runtime mounts',
    { manifest: { layers: Array.from({ length: 501 }, () => elsewhere) } },
    /has it: layers$/,
  ],
])('a layout with %s is refused', async (_, image, words) => {
  await writeLayout(directory, image);
  expect(await outcome()).toMatch(/^LayoutInvalid: /);
  expect(await outcome()).toMatch(words);
});

describe('what somebody did to the files', () => {
  let layer: string;
  let manifest: string;
  beforeEach(async () => {
    const written = await writeLayout(directory);
    layer = blobFile(directory, written.layers[0] ?? '');
    manifest = blobFile(directory, written.manifest);
  });
  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'other bytes of the same size',
      () => writeFile(layer, 'on3'),
      /the bytes of blobs\S+ are those/,
    ],
    ['a layer cut short', () => truncate(layer, 1), /has 1 bytes/],
    ['other bytes of a manifest', () => appendFile(manifest, ' '), /is \d+ bytes of sha256/],
    ['a missing layer', () => rm(layer), /blobs\/sha256\/\w+ is missing/],
    [
      'a foreign blob',
      () => writeFile(blobFile(directory, 'sha256:aa'), ''),
      /sha256\/aa is not of/,
    ],
    ['a foreign file', () => writeFile(join(directory, 'x'), ''), /: x is not of the image/],
    ['another folder of blobs', () => mkdir(join(directory, 'blobs/sha512')), /sha512 is not of/],
    ['no marker', () => rm(join(directory, 'oci-layout')), /oci-layout is missing/],
    ['no JSON', () => writeFile(join(directory, 'index.json'), '{'), /index\.json is not as/],
    [
      'an endless index',
      () => truncate(join(directory, 'index.json'), 1e12),
      /has 1000000000000 bytes/,
    ],
    [
      'a folder in place of a file',
      async () => {
        await rm(layer);
        await mkdir(layer);
      },
      /is not a file/,
    ],
    [
      'a pipe',
      async () => {
        await rm(layer);
        await execute('mkfifo', [layer]);
      },
      /is not a file/,
    ],
    ['no layout at all', () => rm(directory, { recursive: true }), /the layout is missing/],
  ])('%s is refused', async (_, damage, words) => {
    await damage();
    expect(await outcome()).toMatch(words);
  });

  test('a link is not followed, and nothing of where it leads is told', async () => {
    const secret = join(folder, 'secret');
    await writeFile(secret, 'hunter2');
    for (const file of [layer, manifest, join(directory, 'index.json')]) {
      const kept = join(folder, 'kept');
      await rename(file, kept);
      await symlink(secret, file);
      expect(await outcome()).toMatch(/^LayoutInvalid: \S+ is not a file$/);
      await rm(file);
      await rename(kept, file);
    }
    expect(await outcome()).toBe('read');
  });

  test('a folder that is a link is not entered', async () => {
    await rename(join(directory, 'blobs'), join(folder, 'blobs'));
    await symlink(join(folder, 'blobs'), join(directory, 'blobs'));
    expect(await outcome()).toBe('LayoutInvalid: blobs is not a folder');
  });

  test('what a file holds is not told', async () => {
    await writeFile(join(directory, 'index.json'), 'password = "hunter2"');
    expect(await outcome()).toMatch(/^LayoutInvalid: index\.json is not as/);
    expect(await outcome()).not.toContain('hunter2');
  });
});
