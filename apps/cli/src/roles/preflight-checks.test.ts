/** Base images that only `HEPHY_BUILDER_PULL_CONFIG` can read. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { createDirectorySourceStore } from '@hephy/source';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushImage } from '../../../../test/parts/images.ts';
import { registryLogin, startRegistry } from '../../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../../test/parts/registry.ts';
import { putFiles } from '../../../../test/parts/source-files.ts';
import { buildFor } from '../../../worker/src/preflight/preflight-parts-for-test.ts';
import { readSettings } from '../process.ts';
import { preflightChecks } from './preflight-checks.ts';

let bases: TestRegistry;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-preflight-'));
  bases = await startRegistry({ login: true });
  const client = createRegistryClient({
    registry: bases.host,
    credentials: () => Promise.resolve(registryLogin),
  });
  const platform = { os: 'linux', architecture: 'amd64' };
  await pushImage(client, { repository: 'base', tag: '1', platform });
  await client.close();
});
afterAll(async () => {
  await bases?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What the preflight says of a build for amd64 and arm64 that begins at the base image. */
async function preflight(driver: string, auths: object) {
  const known = readSettings({
    HEPHY_DRIVER: driver,
    HEPHY_IMAGE: 'hephy:1',
    HEPHY_KANIKO_IMAGE: 'kaniko:v1.27.5',
    HEPHY_REGISTRY: 'registry.example',
    // Whose right to push is not tried here.
    HEPHY_BUILDER_SERVICE_ACCOUNT: 'pusher',
    HEPHY_BUILDER_PULL_CONFIG: JSON.stringify({ auths }),
  });
  const places = {
    database: { url: '' },
    redis: { url: '' },
    registry: 'registry.example',
    plainHttp: undefined,
  };
  const sources = createDirectorySourceStore({ directory: join(folder, 'sources') });
  const source = await putFiles(sources, { Dockerfile: `FROM ${bases.host}/base:1\n` });
  const checks = preflightChecks({ ...known, places, now: () => new Date(0) }, sources);
  const asked = checks.map((check) => check(buildFor({}, source), AbortSignal.timeout(10_000)));
  return Promise.all(asked);
}

const { username, password } = registryLogin;
const auth = Buffer.from(`${username}:${password}`).toString('base64');

test.for([
  ['docker login stores', { auth }],
  ['a person writes', { username, password }],
] as const)('a base image is asked for as the user that %s', async ([, entry]) => {
  const failure = { reason: 'BaseImageUnavailable', platform: 'linux/arm64' };
  expect(await preflight('kubernetes', { [bases.host]: entry })).toMatchObject([{ failure }]);
});

test('a password that is refused is left to the builder', async () => {
  expect(await preflight('kubernetes', { [bases.host]: { username, password: 'old' } })).toEqual([
    { ok: true, warnings: [expect.stringMatching(/could not be asked for \(.* answered 401/)] },
  ]);
});

test('a registry of no user of ours is not called where only we reach it', async () => {
  const unknown = { ok: true, warnings: [expect.stringContaining('127.0.0.1 is not public')] };
  expect(await preflight('kubernetes', { 'elsewhere.example': { auth } })).toEqual([unknown]);
  expect(await preflight('local', { [bases.host]: { auth } })).toEqual([unknown]);
});
