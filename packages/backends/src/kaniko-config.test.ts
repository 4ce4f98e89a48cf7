import { expect, test } from 'vitest';
import { BuildOptions } from '@hephy/core';
import {
  kanikoOptionRefusal,
  kanikoRefusal,
  parseKanikoConfig,
  type KanikoSettings,
} from './kaniko-config.ts';
import { kanikoCapabilities } from './kaniko-version.ts';

function problemsOf(settings: Partial<KanikoSettings>): readonly string[] {
  const parsed = parseKanikoConfig({ image: 'r.example/kaniko:1', version: '1.27.5', ...settings });
  return parsed.ok ? [] : parsed.problems;
}

test.each<[Partial<KanikoSettings>, string]>([
  [{ version: 'latest' }, '"latest" is not a version of kaniko; write it as 1.27.5'],
  [
    { telemetryUrl: 'http://spans:4318', version: '1.28.1' },
    'kaniko 1.28.1 has no telemetry; use kaniko 1.28.2 or later, or leave it out',
  ],
  [
    { lingerSeconds: 60 },
    "an executor of r.example/kaniko:1 can't stay after its failure, for it has no shell; use the debug image",
  ],
  [
    { cacheRepository: 'oci:/cache/${ARCH}' },
    '"oci:/cache/${ARCH}" goes with its pod; keep it in oci:/cache/… and name a claim for it',
  ],
  [
    { cacheRepository: '${REPOSITORY}/cache-${ARCH}', cacheClaim: 'layers' },
    'the claim layers holds no cache; keep it in a folder of oci:/cache/',
  ],
  [
    { cacheRepository: '${REPOSITORY}/cache' },
    'the cache repository "${REPOSITORY}/cache" is one for all architectures; put ${ARCH} into it',
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
])('%o is refused with a sentence', (settings, sentence) => {
  expect(problemsOf(settings)).toEqual([sentence]);
});

test('all problems are told at once', () => {
  expect(
    problemsOf({ telemetryUrl: 'http://spans:4318', plainRegistries: ['/'], cacheRepository: '' }),
  ).toHaveLength(3);
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

test.each([
  ['1.27.5', 'oci', 'kaniko 1.27.5 cannot choose the image format oci; use kaniko 1.28.0 or later'],
  ['1.27.5', null, 'not refused'],
  ['1.28.0', 'docker', 'not refused'],
] as const)('kaniko %s and the image format %s: %s', (version, imageFormat, start) => {
  const parsed = parseKanikoConfig({ image: 'r.example/kaniko', version });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  const refusal = kanikoOptionRefusal(BuildOptions.parse({ imageFormat }), parsed.config);
  expect((refusal ?? 'not refused').slice(0, start.length)).toBe(start);
});
