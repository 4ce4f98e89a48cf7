/** What a push is told before anything starts, with builders on this machine: no builder, no tag, nothing in the registry. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGitClient } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { pushImage, pushIndex } from '../parts/images.ts';
import { registryLogin, startRegistry, type TestRegistry } from '../parts/registry.ts';
import { runHephy } from '../parts/run-hephy.ts';

let registry: TestRegistry;
let client: RegistryClient;
let hephy: Hephy;
beforeAll(async () => {
  registry = await startRegistry({ login: true });
  client = createRegistryClient({
    registry: registry.host,
    credentials: async () => registryLogin,
  });
  const arm64 = { os: 'linux', architecture: 'arm64' };
  await pushImage(client, { repository: 'base', tag: 'arm64', platform: arm64 });
  const three = ['amd64', 'arm64', 's390x'].map((architecture) => ({ os: 'linux', architecture }));
  await pushIndex(client, { repository: 'base', tag: 'three', platforms: three });
  hephy = await startHephy({ environment: settings('registry-password') });
});
afterAll(async () => {
  await hephy?.close();
  await client?.close();
  await registry?.stop();
});
showLogOnFailure(() => hephy);

const settings = (builderPassword: string): Record<string, string> => ({
  HEPHY_REGISTRY: registry.host,
  HEPHY_REGISTRY_PLAIN_HTTP: 'true',
  HEPHY_REGISTRY_USERNAME: registryLogin.username,
  HEPHY_REGISTRY_PASSWORD: registryLogin.password,
  HEPHY_BUILDER_USERNAME: registryLogin.username,
  HEPHY_BUILDER_PASSWORD: builderPassword,
});

interface Pushed {
  readonly app: string;
  readonly dockerfile: string;
  readonly service?: Hephy;
  readonly settings?: object;
}

async function push({ app, dockerfile, service = hephy, settings: more = {} }: Pushed) {
  const tree = await service.createApp(app, { platforms: ['linux/amd64'], ...more });
  await tree.commit({ Dockerfile: dockerfile, a: 'a' });
  const begunMs = performance.now();
  const pushed = await runGitClient(['push', 'deis', 'main'], { cwd: tree.path });
  process.stderr.write(`${app}: ${Math.round(performance.now() - begunMs)} ms\n`);
  return pushed;
}

async function nothingStarted(service = hephy): Promise<void> {
  const builders = await readdir(join(service.data, 'builders')).catch(() => []);
  expect(builders.filter((name) => name.startsWith('b-'))).toEqual([]);
  const login = Buffer.from(`${registryLogin.username}:${registryLogin.password}`);
  const headers = { authorization: `Basic ${login.toString('base64')}` };
  const catalog = await fetch(`${registry.url}/v2/_catalog`, { headers });
  expect(await catalog.json()).toEqual({ repositories: ['base'] });
}

const refusals: { app: string; dockerfile: string; sentence: RegExp; settings?: object }[] = [
  {
    app: 'lacking',
    dockerfile: 'FROM HOST/base:arm64\nCOPY a /\n',
    sentence:
      /linux\/amd64 base image cannot be used: \S+\/base:arm64 \(line 1\) in \S+\/base is for linux\/arm64, and not for linux\/amd64 \(build 1\)/,
  },
  {
    app: 'missing',
    dockerfile: 'FROM HOST/typo\n',
    sentence: /\S+\/typo \(line 1\) is not in \S+\/typo \(build 1\)/,
  },
  {
    app: 'empty',
    dockerfile: 'RUN true\n',
    sentence: /the Dockerfile cannot be built: Dockerfile: it has no FROM line/,
  },
  {
    app: 'nowhere',
    dockerfile: 'FROM scratch AS one\n',
    sentence: /no stage is called two, which the app's target asks for \(one\) \(build 1\)/,
    settings: { target: 'two' },
  },
];

test.each(refusals)('$app: refused, and nothing is started', async ({ sentence, ...asked }) => {
  const dockerfile = asked.dockerfile.replace('HOST', registry.host);
  const { stderr, exitCode } = await push({ ...asked, dockerfile });
  expect(stderr).toMatch(sentence);
  expect(stderr).not.toContain('-----> Building');
  expect(exitCode).toBe(1);
  await nothingStarted();
});

test('builders whose password is wrong are refused, and nothing is started', async () => {
  const service = await startHephy({ environment: settings('wrong') });
  try {
    const { stderr, exitCode } = await push({
      app: 'denied',
      dockerfile: 'FROM scratch\n',
      service,
    });
    expect(stderr).toMatch(
      /the registry refused our credentials \(401\): builders: .* \(build 1\)/,
    );
    expect(exitCode).toBe(1);
    await nothingStarted(service);
  } finally {
    await service.close();
  }
});

test('a registry that a Dockerfile names, and that only this machine reaches, is not called', async () => {
  const { stderr } = await push({ app: 'inside', dockerfile: 'FROM 127.0.0.1:9/x:1\n' });
  expect(stderr).toMatch(
    /warning: the platforms of 127\.0\.0\.1:9\/x:1 could not be asked for \(.*127\.0\.0\.1 is not public, and no registry of this service\)/,
  );
});

const platformsOf = async (app: string): Promise<string> =>
  (await runHephy(['platforms', '-a', app], { cwd: hephy.folder, hephy })).stdout;

test('a push that its base image refuses leaves the list of what would go on', async () => {
  const platforms = ['linux/amd64', 'linux/arm/v7'];
  const dockerfile = `FROM ${registry.host}/base:three\nCOPY a /\n`;
  const more = { platforms, requireNativeNodes: false };
  const { stderr } = await push({ app: 'wide', dockerfile, settings: more });
  expect(stderr).toMatch(/linux\/arm\/v7 base image cannot be used: .* \(build 1\)/);
  const listed = await platformsOf('wide');
  expect(listed.replaceAll(/ {2,}/g, '  ').split('\n')).toEqual([
    'PLATFORM  BUILT  SUGGESTED  TAKES  WHY',
    'linux/amd64  yes  yes  -  1 ready node; the base images are for it',
    'linux/arm/v7  yes  no  -  no node is linux/arm, but the app may be built without one; the base images are not for it',
    'linux/arm64  no  no  -  no node is linux/arm64; the base images are for it',
    'linux/s390x  no  no  -  no node is linux/s390x; the base images are for it',
    'Base images as build 1 found them.',
    'To take it on: hephy apps set -a wide platforms=linux/amd64',
    '',
  ]);
});

test('the command that it tells is one that goes on', async () => {
  const set = ['apps', 'set', '-a', 'wide', 'platforms=linux/amd64'];
  expect(await runHephy(set, { cwd: hephy.folder, hephy })).toMatchObject({ code: 0 });
  const tree = { cwd: join(hephy.folder, 'repositories', 'wide') };
  expect((await runGitClient(['push', 'deis', 'main'], tree)).exitCode).toBe(0);
  const listed = await platformsOf('wide');
  expect(listed).toMatch(/^linux\/amd64 +yes +yes +[\d.]+ m?s +1 ready node; /m);
  expect(listed).toContain('wide is built for what is suggested.\n');
});

test('where nothing is known to go on, no command is told', async () => {
  await hephy.createApp('foreign', { platforms: ['linux/s390x'] });
  const listed = await platformsOf('foreign');
  expect(listed).toMatch(/^linux\/s390x +yes +no +- +no node is linux\/s390x; no build has told/m);
  expect(listed).toMatch(/\nNothing can be suggested: no platform has a ready node and .*\n$/);
});
