import { mediaTypes } from '@hephy/oci';
import { expect, test } from 'vitest';
import { assembleIndex } from './assemble-index.ts';
import type { IndexOptions } from './assemble-index.ts';
import { digestOf } from './digest.ts';
import type { VerifiedChild } from './verify-child.ts';

const platforms = ['linux/amd64', 'linux/arm64'];

function child(architecture: string, mediaType: string): VerifiedChild {
  return {
    descriptor: { mediaType, digest: digestOf(Buffer.from(architecture)), size: 10 },
    bytes: new Uint8Array(),
    configPlatform: { os: 'linux', architecture },
  };
}
const docker = [
  child('amd64', mediaTypes.dockerManifest),
  child('arm64', mediaTypes.dockerManifest),
];
const oci = [child('amd64', mediaTypes.ociManifest), child('arm64', mediaTypes.ociManifest)];
const mixed = [child('amd64', mediaTypes.dockerManifest), child('arm64', mediaTypes.ociManifest)];
const annotations = { 'org.opencontainers.image.revision': '3f2a91c0' };

test.each<[string, VerifiedChild[], IndexOptions['mode'], Record<string, string>, string]>([
  ['Docker images', docker, 'auto', {}, mediaTypes.dockerList],
  ['Docker images with annotations', docker, 'auto', annotations, mediaTypes.ociIndex],
  ['OCI images', oci, 'auto', {}, mediaTypes.ociIndex],
  ['both', mixed, 'auto', {}, mediaTypes.ociIndex],
  ['OCI images', oci, 'oci', annotations, mediaTypes.ociIndex],
  ['Docker images', docker, 'docker', {}, mediaTypes.dockerList],
  ['Docker images', docker, 'oci', {}, 'MediaTypeConflict'],
  ['OCI images', oci, 'docker', {}, 'MediaTypeConflict'],
  ['both', mixed, 'oci', {}, 'MediaTypeConflict'],
  ['Docker images with annotations', docker, 'docker', annotations, 'MediaTypeConflict'],
  ['one image too few', oci.slice(1), 'auto', {}, 'DigestMissing'],
  [
    'one image too many',
    [...oci, child('s390x', mediaTypes.ociManifest)],
    'auto',
    {},
    'PlatformMismatch',
  ],
  ['an image twice', [...oci, ...oci], 'auto', {}, 'PlatformMismatch'],
])('an index of %s is made or refused (%#)', (...row) => {
  const [, children, mode, given, outcome] = row;
  const index = assembleIndex(children, { platforms, mode, annotations: given });
  expect(index.ok ? index.mediaType : index.failure.reason).toBe(outcome);
});
