/** An executor that has no right to push: it leaves its image for another container. */
import { BuildOptions } from '@hephy/core';
import { expect, test } from 'vitest';
import { kanikoOptionRefusal, parseKanikoConfig } from './kaniko-config.ts';
import { explainKanikoLog } from './kaniko-log.ts';
import { kanikoContainer } from './kaniko.ts';

const settings = { image: 'r.example/kaniko:v1.27.5', version: '1.27.5', isolated: true };
const input = {
  platform: 'linux/arm64',
  contextDirectory: '/workspace',
  contextPath: '.',
  dockerfilePath: 'Dockerfile',
  target: null,
  buildArgs: {},
  labels: {},
  destination: 'registry.example.com/team/shop:b-1-web-linux-arm64-a1',
  noCache: false,
  digestFile: '/dev/termination-log',
};

function configOf(cacheRepository?: string) {
  const folder = cacheRepository?.startsWith('oci:') && { cacheClaim: 'layers' };
  const cache = cacheRepository && { cacheRepository };
  const parsed = parseKanikoConfig({ ...settings, ...cache, ...folder });
  return parsed.ok ? parsed.config : parsed.problems;
}

test('it pushes nothing, and says no digest', () => {
  const config = configOf();
  if (!('image' in config)) throw new Error(config.join());
  const pushing = kanikoContainer(input, config).args;
  const leaving = kanikoContainer({ ...input, layoutDirectory: '/layout' }, config).args;
  expect(leaving.filter((argument) => !pushing.includes(argument))).toEqual([
    '--no-push',
    '--oci-layout-path=/layout',
  ]);
  expect(pushing.filter((argument) => !leaving.includes(argument))).toEqual([
    `--destination=${input.destination}`,
    '--digest-file=/dev/termination-log',
  ]);
});

test('a cache in a registry is refused where it is set, a folder is not', () => {
  expect(configOf('r.example/cache/${ARCH}')).toEqual([
    `builders that may not push can't keep layers in "r.example/cache/\${ARCH}"; use a folder, oci:/…, or leave the cache out`,
  ]);
  expect(configOf('oci:/cache/${ARCH}')).toMatchObject({ cacheRepository: 'oci:/cache/${ARCH}' });
});

test("an app's own cache is refused with the next step", () => {
  const config = configOf();
  if (!('image' in config)) throw new Error(config.join());
  const asked = BuildOptions.parse({ cacheRepository: '${REPOSITORY}/cache-${ARCH}' });
  expect(kanikoOptionRefusal(asked, config)).toMatch(
    /no right to push.*set cacheRepository to null$/,
  );
  expect(kanikoOptionRefusal(BuildOptions.parse({}), config)).toBeUndefined();
});

test.each([
  ['mkdir /kaniko/layout/blobs: not a directory', 'LayoutInvalid'],
  ['open /kaniko/layout/blobs/sha256/ab: permission denied', 'LayoutInvalid'],
  ['write /kaniko/layout/blobs/sha256/ab: no space left on device', 'DiskFull'],
  ['Get "https://r.example/v2/base/blobs/sha256:ab": dial tcp: i/o timeout', 'RegistryUnavailable'],
])('an image that it could not leave, for %s, is %s', (cause, reason) => {
  const log = `error pushing image: appending image: ${cause}\n`;
  expect(explainKanikoLog(log)).toMatchObject({ reason });
});
