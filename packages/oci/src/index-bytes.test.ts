import { expect, test } from 'vitest';
import { ImageIndex } from './descriptor.ts';
import { buildIndex } from './index-bytes.ts';
import type { IndexChild } from './index-bytes.ts';
import { mediaTypes } from './media-types.ts';
import type { Platform } from './platform.ts';

function child(platform: Platform, mediaType: string = mediaTypes.ociManifest): IndexChild {
  const fill = (platform.architecture + (platform.variant ?? '')).length.toString(16);
  return { descriptor: { mediaType, digest: `sha256:${fill.repeat(64)}`, size: 401 }, platform };
}
const amd64 = child({ os: 'linux', architecture: 'amd64' });
const arm64 = child({ os: 'linux', architecture: 'arm64', variant: 'v8' });

test('the bytes of an OCI index are exactly these', () => {
  const built = buildIndex({
    kind: 'oci',
    children: [amd64, arm64],
    annotations: { b: '2', a: '1' },
  });
  const text = built.ok ? new TextDecoder().decode(built.bytes) : '';
  expect(text).toBe(
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[' +
      `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:${'5'.repeat(64)}",` +
      '"size":401,"platform":{"architecture":"amd64","os":"linux"}},' +
      `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:${'7'.repeat(64)}",` +
      '"size":401,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}],' +
      '"annotations":{"a":"1","b":"2"}}',
  );
  expect(ImageIndex.parse(JSON.parse(text)).manifests).toHaveLength(2);
});

test('the order of the children is the order asked', () => {
  const built = buildIndex({ kind: 'oci', children: [arm64, amd64] });
  const index = ImageIndex.parse(JSON.parse(built.ok ? new TextDecoder().decode(built.bytes) : ''));
  expect(index.manifests.map((entry) => entry.platform?.architecture)).toEqual(['arm64', 'amd64']);
});

test('os.version and os.features are kept under their names of the specification', () => {
  const windows = child({
    os: 'windows',
    architecture: 'amd64',
    osVersion: '10.0.1',
    osFeatures: ['win32k'],
  });
  const built = buildIndex({ kind: 'oci', children: [windows] });
  const index = ImageIndex.parse(JSON.parse(built.ok ? new TextDecoder().decode(built.bytes) : ''));
  expect(index.manifests[0]?.platform).toEqual({
    architecture: 'amd64',
    os: 'windows',
    'os.version': '10.0.1',
    'os.features': ['win32k'],
  });
});

const dockerAmd64 = child(amd64.platform, mediaTypes.dockerManifest);
test.each([
  ['no children', { kind: 'oci', children: [] }, 'PartialRefused'],
  [
    'two spellings of one platform',
    { kind: 'oci', children: [arm64, child({ os: 'linux', architecture: 'aarch64' })] },
    'DuplicatePlatform',
  ],
  [
    'an OCI child in a Docker list',
    { kind: 'docker', children: [dockerAmd64, arm64] },
    'MediaTypeConflict',
  ],
  [
    'annotations on a Docker list',
    { kind: 'docker', children: [dockerAmd64], annotations: { a: '1' } },
    'MediaTypeConflict',
  ],
  [
    'an index within an index',
    { kind: 'oci', children: [child(amd64.platform, mediaTypes.ociIndex)] },
    'MediaTypeConflict',
  ],
] as const)('%s is refused', (_what, input, reason) => {
  const built = buildIndex(input);
  expect(built.ok ? '' : built.failure.reason).toBe(reason);
});
