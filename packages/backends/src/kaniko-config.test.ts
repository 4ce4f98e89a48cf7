import { expect, test } from 'vitest';
import { kanikoRefusal, parseKanikoConfig, type KanikoSettings } from './kaniko-config.ts';
import { cacheRepository } from './kaniko-cache.ts';
import { kanikoCapabilities } from './kaniko-version.ts';

function problemsOf(settings: Partial<KanikoSettings>): readonly string[] {
  const parsed = parseKanikoConfig({ image: 'r.example/kaniko:1', version: '1.27.5', ...settings });
  return parsed.ok ? [] : parsed.problems;
}

test.each<[Partial<KanikoSettings>, string]>([
  [{ version: 'latest' }, '"latest" is not a version of kaniko; write it as 1.27.5'],
  [
    { imageFormat: 'oci' },
    'kaniko 1.27.5 cannot choose the image format oci; use kaniko 1.28.0 or later, or leave the format to the base image',
  ],
  [
    { telemetryUrl: 'http://spans:4318', version: '1.28.1' },
    'kaniko 1.28.1 has no telemetry; use kaniko 1.28.2 or later, or leave it out',
  ],
  [
    { debug: true, image: 'r.example/kaniko@sha256:00' },
    'r.example/kaniko@sha256:00 is pinned by digest; give the debug image itself, or a tag',
  ],
  [
    { compression: 'zstd', imageFormat: 'docker', version: '1.28.0' },
    "docker's image format has no zstd layers; use gzip, or the image format oci",
  ],
  [{ compressionLevel: 0 }, '0 is not a compression level of gzip; use 1 to 9'],
  [
    { compression: 'zstd', compressionLevel: 2.5 },
    '2.5 is not a compression level of zstd; use 1 to 22',
  ],
  [
    { cacheRepository: '${REPOSITORY}/${FOO}-${ARCH}' },
    'the cache repository "${REPOSITORY}/${FOO}-${ARCH}" has the placeholder ${FOO}; use ${REPOSITORY}, ${OS}, ${ARCH}, ${VARIANT}',
  ],
  [
    { cacheRepository: '${REPOSITORY}/cache-${ARCH' },
    'the cache repository "${REPOSITORY}/cache-${ARCH" has the placeholder ${ARCH; use ${REPOSITORY}, ${OS}, ${ARCH}, ${VARIANT}',
  ],
  [
    { cacheRepository: '${REPOSITORY}/cache' },
    'the cache repository "${REPOSITORY}/cache" is one for all architectures; put ${ARCH} into it',
  ],
  [
    { cacheRepository: 'r.example/Cache-${ARCH}' },
    'the cache repository "r.example/Cache-${ARCH}" becomes "r.example/Cache-amd64", which is not registry/repository, nor oci:/folder',
  ],
  [
    { cacheRepository: 'oci:/cache/../${ARCH}' },
    'the cache repository "oci:/cache/../${ARCH}" becomes "oci:/cache/../amd64", which is not registry/repository, nor oci:/folder',
  ],
  [
    { mirrors: [{ from: 'quay.io/team', to: 'mirror.example', insecure: false }] },
    'kaniko mirrors whole registries, and "quay.io/team" is not the name of one',
  ],
  [
    { mirrors: [{ from: 'quay.io', to: 'a.example;gcr.io=evil.example', insecure: false }] },
    'the mirror "a.example;gcr.io=evil.example" is not host[:port][/prefix]',
  ],
  [
    { plainRegistries: ['http://r.example'] },
    '"http://r.example" is not the name of a registry; write host[:port]',
  ],
  [
    { certificates: { 'r.example/team': '/ca.pem' } },
    '"r.example/team" is not the name of a registry; write host[:port]',
  ],
  [
    { clientCertificates: { 'r.example': { certificate: '/a,b.pem', key: '/k.pem' } } },
    'the path "/a,b.pem" of a client certificate has a comma; rename the file',
  ],
])('%o is refused with a sentence', (settings, sentence) => {
  expect(problemsOf(settings)).toEqual([sentence]);
});

test('all problems are told at once', () => {
  expect(
    problemsOf({ imageFormat: 'docker', compression: 'zstd', cacheRepository: '' }),
  ).toHaveLength(3);
});

test.each([
  ['${REPOSITORY}/cache-${ARCH}', 'linux/arm64', 'r.example:5000/team/shop/cache-arm64'],
  ['${REPOSITORY}/cache-${ARCH}', 'linux/amd64', 'r.example:5000/team/shop/cache-amd64'],
  ['r.example/cache-${ARCH}-${VARIANT}', 'linux/arm/v7', 'r.example/cache-arm-v7'],
  ['r.example/cache-${ARCH}-${VARIANT}', 'linux/arm64', 'r.example/cache-arm64'],
  ['r.example/cache/${OS}/${ARCH}/${VARIANT}', 'linux/amd64', 'r.example/cache/linux/amd64'],
  ['[::1]:5000/cache/${ARCH}${VARIANT}', 'linux/arm/v6', '[::1]:5000/cache/armv6'],
  ['oci:/cache/${REPOSITORY}/${ARCH}', 'linux/arm64', 'oci:/cache/r.example:5000/team/shop/arm64'],
])('the layers of %s for %s are kept in %s', (template, platform, expected) => {
  expect(problemsOf({ cacheRepository: template })).toEqual([]);
  const destination = 'r.example:5000/team/shop:b-1';
  expect(cacheRepository(template, { platform, destination })).toBe(expected);
});

test.each([
  ['1.27.5', { imageFormat: false, variants: false, telemetry: false }],
  ['v1.27.6-debug', { imageFormat: false, variants: true, telemetry: false }],
  ['1.28.0', { imageFormat: true, variants: true, telemetry: false }],
  ['1.28.2', { imageFormat: true, variants: true, telemetry: true }],
  ['1.100.0', { imageFormat: true, variants: true, telemetry: true }],
  ['2.0.0', { imageFormat: true, variants: true, telemetry: true }],
  ['1.27', undefined],
  ['unset', undefined],
])('kaniko %s can do %o', (version, capabilities) => {
  expect(kanikoCapabilities(version)).toEqual(capabilities);
});

test.each([
  ['1.27.5', 'linux/arm64', false],
  ['1.27.5', 'linux/arm/v7', true],
  ['1.27.5', 'linux/arm', true],
  ['1.27.6', 'linux/arm/v7', false],
])('kaniko %s refuses %s: %s', (version, platform, refused) => {
  const parsed = parseKanikoConfig({ image: 'r.example/kaniko', version });
  expect(parsed.ok && kanikoRefusal(platform, parsed.config) !== undefined).toBe(refused);
});
