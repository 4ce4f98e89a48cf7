import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildahDialect, kanikoDialect, type Mirror } from '@hephy/backends';
import type { PlannedImage } from '@hephy/core';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { createDirectorySourceStore } from '@hephy/source';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy } from '../../../../test/parts/fault-proxy.ts';
import { pushImage, pushIndex } from '../../../../test/parts/images.ts';
import { startRegistry, type TestRegistry } from '../../../../test/parts/registry.ts';
import { putFiles } from '../../../../test/parts/source-files.ts';
import { createAskRegistries } from './ask-registries.ts';
import { createBaseImageCheck } from './check-base-images.ts';
import { buildFor } from './preflight-parts-for-test.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64' };
let registry: TestRegistry;
let proxy: FaultProxy;
let client: RegistryClient;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-preflight-'));
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  client = createRegistryClient({ registry: registry.host });
  await pushIndex(client, { repository: 'base', tag: 'both', platforms: [amd64, arm64] });
  await pushImage(client, { repository: 'base', tag: 'amd64', platform: amd64 });
  await pushImage(client, { repository: 'hub/library/alone', tag: 'latest', platform: amd64 });
});
beforeEach(() => proxy.script());
afterAll(async () => {
  await client?.close();
  await proxy?.stop();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Checked {
  readonly planned?: Partial<PlannedImage>;
  readonly dialect?: typeof kanikoDialect;
  readonly mirrors?: readonly Mirror[];
  readonly withinMs?: number;
}

const connect = (host: string) => createRegistryClient({ registry: host, limits: { attempts: 1 } });

function open({ dialect = kanikoDialect, mirrors = [] }: Checked = {}) {
  const sources = createDirectorySourceStore({ directory: join(folder, 'sources') });
  const ask = createAskRegistries({ mirrors, connect });
  return { sources, check: createBaseImageCheck({ sources, dialect, ask }) };
}

async function check(dockerfile: string, options: Checked = {}) {
  const { sources, check: checkBases } = open(options);
  const source = await putFiles(sources, { Dockerfile: dockerfile.replaceAll('HOST', proxy.host) });
  const { planned = {}, withinMs = 10_000 } = options;
  return checkBases(buildFor(planned, source), AbortSignal.timeout(withinMs));
}

test.each([
  ['an index that has them', 'FROM HOST/base:both\n', ['linux/amd64', 'linux/arm64']],
  ['scratch', 'FROM scratch\n', null],
  ['a stage of that', 'FROM scratch AS x\nFROM x\n', null],
])('%s is right for both platforms', async (_, dockerfile, basePlatforms) => {
  expect(await check(dockerfile)).toEqual({ ok: true, warnings: [], basePlatforms });
});

test('an index tells more platforms than the app builds', async () => {
  const planned = { platforms: ['linux/amd64'] };
  expect(await check('FROM HOST/base:both\n', { planned })).toEqual({
    ok: true,
    warnings: [],
    basePlatforms: ['linux/amd64', 'linux/arm64'],
  });
});

test('an image of one platform is refused for the other', async () => {
  const at = `${proxy.host}/base`;
  expect(
    await check('ARG T=both\nFROM HOST/base:$T\n', { planned: { buildArgs: { T: 'amd64' } } }),
  ).toEqual({
    ok: false,
    failure: {
      reason: 'BaseImageUnavailable',
      platform: 'linux/arm64',
      detail: `${at}:amd64 (line 2) in ${at} is for linux/amd64, and not for linux/arm64; without it: hephy apps set platforms=linux/amd64`,
    },
    basePlatforms: ['linux/amd64'],
  });
});

test('an image that is not there is refused', async () => {
  expect(await check('FROM HOST/base:typo\n')).toMatchObject({
    ok: false,
    failure: {
      reason: 'BaseImageUnavailable',
      detail: `${proxy.host}/base:typo (line 1) is not in ${proxy.host}/base`,
    },
  });
});

test('a short name is asked for at the mirror of Docker Hub', async () => {
  const mirrors = [{ from: 'docker.io', to: `${proxy.host}/hub`, insecure: false }];
  const detail = `alone (line 1) in ${proxy.host}/hub/library/alone is for linux/amd64, and not for linux/arm64`;
  expect(await check('FROM alone\n', { mirrors })).toMatchObject({
    ok: false,
    failure: { detail: `${detail}; without it: hephy apps set platforms=linux/amd64` },
  });
  const ours = await check('FROM alone\n', { mirrors, dialect: buildahDialect('linux/amd64') });
  expect(ours).toMatchObject({ ok: true, warnings: [expect.stringContaining(detail)] });
});

test('FROM --platform decides for a builder that knows it', async () => {
  const dockerfile = 'FROM --platform=linux/amd64 HOST/base:amd64\n';
  expect(await check(dockerfile, { dialect: buildahDialect('linux/amd64') })).toMatchObject({
    ok: true,
  });
  expect(await check(dockerfile)).toMatchObject({ ok: false });
});

test('a Dockerfile that no builder takes is refused', async () => {
  expect(await check('RUN true\n')).toEqual({
    ok: false,
    failure: { reason: 'DockerfileInvalid', detail: 'Dockerfile: it has no FROM line' },
  });
});

test('a Dockerfile that is not there is left to the builder', async () => {
  const planned = { dockerfilePath: 'deploy/Dockerfile' };
  expect(await check('FROM scratch\n', { planned })).toEqual({ ok: true, warnings: [] });
});

test.each([
  ['refuses us', { do: 'answer', status: 401 }],
  ['limits us', { do: 'answer', status: 429 }],
  ['breaks off', { do: 'reset' }],
  ['answers no manifest', { do: 'setHeaders', headers: { 'content-type': 'text/html' } }],
] as const)(
  'a registry that %s is left to the builder, with a line that says so',
  async (_, fault) => {
    proxy.script({ path: /manifests/, times: 100, ...fault });
    const answer = await check('FROM HOST/base:amd64\n');
    expect(answer).toMatchObject({ ok: true, warnings: [expect.any(String)] });
    expect(answer.ok && answer.warnings[0]).toContain(
      `the platforms of ${proxy.host}/base:amd64 could not be asked for (`,
    );
  },
);

test('a registry that is silent is left to the builder when the time is over', async () => {
  proxy.script({ path: /manifests/, times: 100, do: 'hang' });
  expect(await check('FROM HOST/base:amd64\n', { withinMs: 1_000 })).toEqual({
    ok: true,
    warnings: [
      `the platforms of ${proxy.host}/base:amd64 could not be asked for (${proxy.host} did not answer in time)`,
    ],
  });
});

test('a mirror that is no registry is left to the builder', async () => {
  const mirrors = [{ from: 'docker.io', to: 'no registry', insecure: false }];
  expect(await check('FROM alone\n', { mirrors })).toMatchObject({
    ok: true,
    warnings: [expect.any(String)],
  });
});

test('a source that is damaged is left to the driver', async () => {
  const { sources, check: checkBases } = open();
  const source = await putFiles(sources, { Dockerfile: 'FROM scratch\n' });
  const { sha256 } = source;
  await writeFile(join(folder, 'sources', sha256.slice(0, 2), `${sha256}.tar`), 'gone');
  expect(await checkBases(buildFor({}, source), AbortSignal.timeout(10_000))).toEqual({
    ok: true,
    warnings: ['Dockerfile could not be read in time for its base images'],
  });
});

test('what a digest names is asked for once', async () => {
  const { sources, check: checkBases } = open();
  const source = await putFiles(sources, { Dockerfile: `FROM ${proxy.host}/base:both\n` });
  for (let push = 1; push <= 3; push += 1) {
    await checkBases(buildFor({}, source), AbortSignal.timeout(10_000));
  }
  const methods = proxy.requests.map(({ method }) => method);
  expect(methods.toSorted()).toEqual(['GET', 'HEAD', 'HEAD', 'HEAD']);
});
