/** What the roles do where a program, such as a cloud's, says who they are. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { registryLogin, startRegistry } from '../../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../../test/parts/registry.ts';
import { buildFor } from '../../../worker/src/preflight/preflight-parts-for-test.ts';
import { readSettings } from '../process.ts';
import { preflightChecks } from './preflight-checks.ts';
import { builderUser, publisherUser } from './registry-user.ts';

let registry: TestRegistry;
let folder: string;
beforeAll(async () => {
  registry = await startRegistry({ login: true });
});
afterAll(() => registry?.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-user-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const helper = { HEPHY_REGISTRY_CREDENTIAL_HELPER: 'test' };
const inCluster = {
  HEPHY_DRIVER: 'kubernetes',
  HEPHY_IMAGE: 'hephy:1',
  HEPHY_KANIKO_IMAGE: 'kaniko:v1.27.5',
};

async function writeHelper(script: string): Promise<void> {
  const file = join(folder, 'docker-credential-test');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

const says = ({ username, password }: typeof registryLogin): string =>
  `echo '${JSON.stringify({ Username: username, Secret: password })}'`;

/** What a role has of its connections, from its environment. */
function connectionsOf(environment: Readonly<Record<string, string>>) {
  const known = readSettings({
    PATH: `${folder}:${process.env['PATH']}`,
    HEPHY_REGISTRY: registry.host,
    ...inCluster,
    ...environment,
  });
  const places = {
    database: { url: '' },
    redis: { url: '' },
    registry: registry.host,
    plainHttp: true,
  };
  return { ...known, places, now: () => new Date(0) };
}

function open(): never {
  throw new Error('no source');
}

/** The checks of a push to the registry; its source is not there. */
async function preflight(environment: Readonly<Record<string, string>>) {
  const build = buildFor({ repository: `${registry.host}/apps/shop` });
  const signal = AbortSignal.timeout(10_000);
  const checks = preflightChecks(connectionsOf(environment), { open });
  const answers = await Promise.all(checks.map((check) => check(build, signal)));
  const warnings = answers.flatMap((answer) => (answer.ok ? answer.warnings : []));
  return answers.find(({ ok }) => !ok) ?? warnings;
}

const withoutSource = 'Dockerfile could not be read in time for its base images';

test('publisher and builders are who the program says', async () => {
  await writeHelper(says(registryLogin));
  const connections = connectionsOf(helper);
  for (const credentials of [publisherUser(connections), builderUser(connections)]) {
    const client = createRegistryClient({
      registry: registry.host,
      plainHttp: true,
      ...(credentials && { credentials }),
    });
    await expect(client.tryPush('apps/shop')).resolves.toBeUndefined();
    await client.close();
  }
});

test('the program sees the environment, and nothing in it that is ours', async () => {
  await writeHelper(`env > "${folder}/seen"; ${says(registryLogin)}`);
  const database = { HEPHY_DATABASE_URL: 'postgres://hunter2@db.example/hephy' };
  const region = { AWS_REGION: 'eu-central-1' };
  await publisherUser(connectionsOf({ ...helper, ...database, ...region }))?.({ renew: false });
  const seen = await readFile(join(folder, 'seen'), 'utf8');
  expect(seen).toContain('AWS_REGION=eu-central-1');
  expect(seen).not.toMatch(/HEPHY_|hunter2/);
});

test('builders with a user of their own need no program', async () => {
  const builder = { HEPHY_BUILDER_USERNAME: 'builds', HEPHY_BUILDER_PASSWORD: 'b' };
  const asked = builderUser(connectionsOf({ ...helper, ...builder }))?.({ renew: false });
  expect(await asked).toEqual({ username: 'builds', password: 'b' });
});

test('the preflight tries the right to push of whom the program says', async () => {
  await writeHelper(says(registryLogin));
  expect(await preflight(helper)).toEqual([withoutSource]);
  await writeHelper(says({ ...registryLogin, password: 'wrong' }));
  expect(await preflight(helper)).toMatchObject({ failure: { reason: 'RegistryUnauthorized' } });
});

test('a program that is not there is told before anything starts', async () => {
  expect(await preflight(helper)).toMatchObject({
    failure: {
      reason: 'RegistryUnauthorized',
      detail: `builders: no credentials for ${registry.host}: docker-credential-test ENOENT`,
    },
  });
});

test('a program that fails now is left to the build', async () => {
  await writeHelper('echo the metadata service does not answer; exit 1');
  expect(await preflight(helper)).toEqual([
    expect.stringMatching(/could not be tried .*the metadata service does not answer\)$/),
    withoutSource,
  ]);
});

test('what the service account of builders may do, their pods alone can tell', async () => {
  expect(await preflight({})).toMatchObject({ failure: { reason: 'RegistryUnauthorized' } });
  expect(await preflight({ HEPHY_BUILDER_SERVICE_ACCOUNT: 'pusher' })).toEqual([withoutSource]);
});
