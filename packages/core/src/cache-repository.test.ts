import { expect, test } from 'vitest';
import {
  appCacheTemplateProblem,
  cacheRepository,
  cacheTemplateProblem,
} from './cache-repository.ts';

test.each([
  ['${REPOSITORY}/cache-${ARCH}', 'linux/arm64', 'r.example:5000/team/shop/cache-arm64'],
  ['${REPOSITORY}/cache-${ARCH}', 'linux/amd64', 'r.example:5000/team/shop/cache-amd64'],
  ['r.example/cache-${ARCH}-${VARIANT}', 'linux/arm/v7', 'r.example/cache-arm-v7'],
  ['r.example/cache-${ARCH}-${VARIANT}', 'linux/arm64', 'r.example/cache-arm64'],
  ['r.example/cache/${OS}/${ARCH}/${VARIANT}', 'linux/amd64', 'r.example/cache/linux/amd64'],
  ['[::1]:5000/cache/${ARCH}${VARIANT}', 'linux/arm/v6', '[::1]:5000/cache/armv6'],
  ['oci:/cache/${REPOSITORY}/${ARCH}', 'linux/arm64', 'oci:/cache/r.example:5000/team/shop/arm64'],
])('the layers of %s for %s are kept in %s', (template, platform, expected) => {
  expect(cacheTemplateProblem(template)).toBeUndefined();
  const destination = 'r.example:5000/team/shop:b-1';
  expect(cacheRepository(template, { platform, destination })).toBe(expected);
});

test.each([
  [
    '${REPOSITORY}/${FOO}-${ARCH}',
    'has the placeholder ${FOO}; use ${REPOSITORY}, ${OS}, ${ARCH}, ${VARIANT}',
  ],
  [
    '${REPOSITORY}/cache-${ARCH',
    'has the placeholder ${ARCH; use ${REPOSITORY}, ${OS}, ${ARCH}, ${VARIANT}',
  ],
  ['${REPOSITORY}/cache', 'is one for all architectures; put ${ARCH} into it'],
  [
    'r.example/Cache-${ARCH}',
    'becomes "r.example/Cache-amd64", which is not registry/repository, nor oci:/folder',
  ],
  [
    'oci:/cache/../${ARCH}',
    'becomes "oci:/cache/../amd64", which is not registry/repository, nor oci:/folder',
  ],
])('%s is refused: it %s', (template, why) => {
  expect(cacheTemplateProblem(template)).toBe(`the cache repository "${template}" ${why}`);
});

test.each([
  '${REPOSITORY}-${ARCH}',
  'r.example/other/cache-${ARCH}',
  'oci:/cache/${ARCH}',
  'x${REPOSITORY}/${ARCH}',
])("an app may not keep layers in %s: another's may be there", (template) => {
  expect(appCacheTemplateProblem(template)).toBe(
    `the cache repository "${template}" is not the app's own; begin it with \${REPOSITORY}/`,
  );
});

test.each([
  '${REPOSITORY}/../other/${ARCH}',
  '${REPOSITORY}/${REPOSITORY}/${ARCH}',
  '${REPOSITORY}/',
])('an app that begins in its own and leaves it by %s is refused', (template) => {
  expect(appCacheTemplateProblem(template)).toMatch(/becomes|put \$\{ARCH\} into it/);
});
