import { expect, test } from 'vitest';
import { baseImagesOf, type DockerfileUse } from './base-images.ts';
import { buildahDialect, kanikoDialect } from './dialects.ts';
import { readInstructions } from './read-instructions.ts';

const buildah = buildahDialect('linux/amd64');

function use(dockerfile: string, changes: Partial<DockerfileUse> = {}): DockerfileUse {
  const instructions = readInstructions(dockerfile) ?? [];
  return { instructions, target: null, buildArgs: {}, platform: 'linux/arm64', ...changes };
}

function names(used: DockerfileUse) {
  const found = baseImagesOf(used, kanikoDialect);
  return found.ok ? found.images.map(({ name }) => name) : found.problem;
}

test('a base image is told with its line, for the platform that is built', () => {
  expect(baseImagesOf(use('# ours\nFROM debian:12\n'), kanikoDialect)).toEqual({
    ok: true,
    images: [{ name: 'debian:12', platform: 'linux/arm64', line: 2 }],
  });
});

test.each<[string, DockerfileUse, string[]]>([
  ['scratch is no image', use('FROM scratch'), []],
  ['nor is a stage, whatever its case', use('FROM a AS One\nFROM one'), ['a']],
  ['a stage that comes later is an image', use('FROM b\nFROM a AS b', { target: '0' }), ['b']],
  ['only the last stage is built', use('FROM a\nFROM b'), ['b']],
  [
    'with what it copies from',
    use('FROM a AS x\nFROM b\nFROM c\nCOPY --from=X /a /\nCOPY --from=1 /b /'),
    ['a', 'b', 'c'],
  ],
  ['an image that is copied from is none of ours', use('FROM a\nCOPY --from=nginx:1 /a /'), ['a']],
  [
    'the target is built, and nothing after it',
    use('FROM a AS x\nFROM b AS y\nFROM c', { target: 'Y' }),
    ['b'],
  ],
  ['an argument before FROM', use('ARG V=12\nFROM debian:$V'), ['debian:12']],
  [
    'a build argument takes its place',
    use('ARG V=12\nFROM debian:$V', { buildArgs: { V: '13' } }),
    ['debian:13'],
  ],
  ['one argument builds on another', use('ARG R=r.test N="$R/base"\nFROM ${N}'), ['r.test/base']],
  ['an argument of a stage counts for no FROM', use('FROM a\nARG V=1\nFROM b:${V:-2}'), ['b:2']],
  ['the platform that is built', use('FROM base-$TARGETARCH'), ['base-arm64']],
  [
    'an argument that is not declared is for the builder to judge',
    use('FROM a:$V', { buildArgs: { V: '1' } }),
    [],
  ],
  ['an empty one is, too', use('ARG V=12\nFROM a:$V', { buildArgs: { V: '' } }), []],
  ['what only a shell resolves is', use('ARG V=v12\nFROM a:${V#v}'), []],
  ['a stage that is not built may be as it likes', use('FROM a b\nFROM $NONE\nFROM c'), ['c']],
])('%s', (_, used, expected) => {
  expect(names(used)).toEqual(expected);
});

test.each<[DockerfileUse, string]>([
  [use(''), 'it has no FROM line'],
  [use('RUN a\n'), 'it has no FROM line'],
  [use('FROM\n'), 'line 1: write FROM image, or FROM image AS name'],
  [use('FROM a b\n'), 'line 1: write FROM image, or FROM image AS name'],
  [
    use('ARG BASE\nFROM $BASE\n'),
    'line 2: FROM $BASE names no image; give its build argument a value',
  ],
  [
    use('FROM a AS x\nFROM b\n', { target: 'y' }),
    "no stage is called y, which the app's target asks for (x)",
  ],
])('what no builder takes is refused: %#', (used, problem) => {
  expect(names(used)).toBe(problem);
});

test('many stages take no longer than they are many', () => {
  const stages = Array.from({ length: 50_000 }, (_, at) => `FROM s${at} AS s${at + 1}`);
  expect(names(use(stages.join('\n')))).toEqual(['s0']);
});

test('an argument that holds another many times, and so on, is none', () => {
  const args = Array.from({ length: 60 }, (_, at) => `ARG A${at + 1}=$A${at}$A${at}`);
  expect(names(use(['ARG A0=x', ...args, 'FROM $A60'].join('\n')))).toEqual([]);
});

test('a builder that knows FROM --platform takes the base for that one', () => {
  const dockerfile = [
    'FROM --platform=$BUILDPLATFORM a AS x',
    'FROM --platform=linux/s390x b AS y',
    'FROM --platform=$TARGETPLATFORM c',
    'COPY --from=x /a /',
    'COPY --from=y /a /',
  ].join('\n');
  const platforms = (dialect: typeof buildah) => {
    const found = baseImagesOf(use(dockerfile), dialect);
    return found.ok && found.images.map(({ platform }) => platform);
  };
  expect(platforms(buildah)).toEqual(['linux/amd64', 'linux/s390x', 'linux/arm64']);
  expect(platforms(kanikoDialect)).toEqual(['linux/arm64', 'linux/arm64', 'linux/arm64']);
});
