import { buildahDialect, kanikoDialect, readInstructions } from '@hephy/backends';
import type { Platform } from '@hephy/oci';
import { expect, test } from 'vitest';
import type { BaseAnswer } from './judge-base-images.ts';
import { platformsOfBases, sharedBases } from './platforms-of-bases.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
const s390x = { os: 'linux', architecture: 's390x' };
const armV6 = { os: 'linux', architecture: 'arm', variant: 'v6' };
const armV7 = { os: 'linux', architecture: 'arm', variant: 'v7' };

function shared(text: string, dialect = buildahDialect('linux/amd64')) {
  const instructions = readInstructions(text) ?? [];
  return sharedBases({ instructions, target: null, buildArgs: {} }, dialect);
}

test('the bases that follow the platform are those that limit it', () => {
  const crossed = 'FROM --platform=$BUILDPLATFORM go AS b\nFROM alpine\nCOPY --from=b /x /\n';
  expect(shared(crossed)).toEqual(['alpine']);
  expect(shared(crossed, kanikoDialect)).toEqual(['go', 'alpine']);
  expect(shared('FROM --platform=linux/$TARGETARCH alpine\n')).toEqual(['alpine']);
  expect(shared('FROM scratch\n')).toEqual([]);
});

test('where the name follows the platform, no list holds for all', () => {
  expect(shared('ARG TARGETARCH\nFROM base:$TARGETARCH\n')).toBeNull();
  expect(platformsOfBases([null, ['base']], answers({ base: [amd64] }))).toBeNull();
});

function answers(of: Record<string, Platform[] | Exclude<BaseAnswer, { kind: 'found' }>>) {
  const entries = Object.entries(of).map(([name, answer]): [string, BaseAnswer] => [
    name,
    Array.isArray(answer) ? { kind: 'found', at: name, platforms: answer } : answer,
  ]);
  return new Map(entries);
}

test('what all bases are for is told once, in its canonical form', () => {
  const all = answers({ a: [s390x, amd64, arm64, arm64], b: [arm64, amd64] });
  expect(platformsOfBases([['a'], ['b', 'a']], all)).toEqual(['linux/amd64', 'linux/arm64']);
  expect(platformsOfBases([['a']], answers({ a: [s390x] }))).toEqual(['linux/s390x']);
  expect(platformsOfBases([['a', 'b']], answers({ a: [s390x], b: [amd64] }))).toEqual([]);
});

test('an older variant stands for a newer one', () => {
  const older = answers({ a: [armV6], b: [armV7] });
  expect(platformsOfBases([['a', 'b']], older)).toEqual(['linux/arm/v7']);
});

test('a platform that nobody builds for is left out', () => {
  const strange = { os: 'linux', architecture: 'x\u001b[31m' };
  expect(platformsOfBases([['a']], answers({ a: [amd64, strange] }))).toEqual(['linux/amd64']);
});

test('an index of many platforms takes no time', () => {
  const many = Array.from({ length: 5_000 }, (_, at) => ({ ...amd64, variant: `v${at}` }));
  const names = Array.from({ length: 16 }, (_, at) => `base-${at}`);
  const all = answers(Object.fromEntries(names.map((name) => [name, [...many, amd64]])));
  const begunMs = performance.now();
  expect(platformsOfBases([names], all)).toContain('linux/amd64');
  expect(performance.now() - begunMs).toBeLessThan(1_500);
});

test('bases that are tied to no platform tell nothing', () => {
  expect(platformsOfBases([[]], answers({}))).toBeNull();
});

test.each<[string, BaseAnswer | undefined]>([
  ['was not asked for', undefined],
  ['is not there', { kind: 'missing', at: 'b' }],
  ['could not be asked for', { kind: 'unclear', why: 'no' }],
  ['does not say', { kind: 'found', at: 'b', platforms: [] }],
])('with a base that %s it is not found out', (_, answer) => {
  const known = new Map([...answers({ a: [amd64] }), ...(answer ? [['b', answer] as const] : [])]);
  expect(platformsOfBases([['a', 'b']], known)).toBeUndefined();
  expect(platformsOfBases([undefined, ['a']], known)).toBeUndefined();
});
