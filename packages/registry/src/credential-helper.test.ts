import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { pushImage } from '../../../test/parts/images.ts';
import { otherLogin, registryLogin, startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { startFaultProxy, type FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { createRegistryClient, type RegistryClient } from './client.ts';
import { createCredentialHelper } from './credential-helper.ts';

let registry: TestRegistry;
let folder: string;
let nowMs: number;
let client: RegistryClient | undefined;
let proxy: FaultProxy | undefined;
beforeAll(async () => {
  registry = await startRegistry({ login: true });
});
afterAll(() => registry.stop());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-helper-'));
  nowMs = 0;
});
afterEach(async () => {
  await client?.close();
  await proxy?.stop();
  [client, proxy] = [undefined, undefined];
  await rm(folder, { recursive: true, force: true });
});

/** A program that writes down what it is asked, and does the rest with sh. */
async function writeHelper(script: string): Promise<void> {
  const file = join(folder, 'docker-credential-test');
  const note = `echo "$1 $(cat) $SECRET" >> "${folder}/asked"`;
  await writeFile(file, `#!/bin/sh\n${note}\n${script}\n`);
  await chmod(file, 0o755);
}
const asked = async () => (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n');

function says({ username, password }: typeof registryLogin): string {
  const answer = { ServerURL: 'x', Username: username, Secret: password };
  return `printf %s '${JSON.stringify(answer)}'`;
}

function helper(name = 'test', host = registry.host) {
  const environment = { PATH: `${folder}:${process.env['PATH']}` };
  return createCredentialHelper({ name, registry: host, environment, now: () => nowMs });
}

test('a program that does not end is killed, and what it began to say is not shown', async () => {
  await writeHelper(`${says(registryLogin)}; exec sleep 600`);
  const environment = { PATH: `${folder}:${process.env['PATH']}` };
  const registryOfIt = { registry: registry.host, environment, now: () => 0 };
  const refused = createCredentialHelper({ name: 'test', ...registryOfIt, timeoutMs: 300 });
  await expect(refused({ renew: false })).rejects.toThrow(/test did not end in time$/);
});

const image = { repository: 'shop', platform: { os: 'linux', architecture: 'amd64' }, tag: 'v1' };

test('a program is asked for the password, once for many requests', async () => {
  await writeHelper(says(registryLogin));
  client = createRegistryClient({ registry: registry.host, credentials: helper() });
  await pushImage(client, image);
  expect(await asked()).toEqual([`get ${registry.host}`]);
  nowMs += 61_000;
  await client.ping();
  expect(await asked()).toHaveLength(2);
});

test('a password that is refused after some hours is asked for again, once', async () => {
  await writeHelper(says(registryLogin));
  proxy = await startFaultProxy({ upstream: registry.host });
  client = createRegistryClient({ registry: proxy.host, credentials: helper() });
  await client.ping();
  const headers = { 'www-authenticate': 'Basic realm="test"' };
  proxy.script({ do: 'answer', status: 401, headers });
  await client.ping();
  expect(await asked()).toHaveLength(2);
  proxy.script({ do: 'answer', status: 401, headers, times: 9 });
  await expect(client.ping()).rejects.toMatchObject({ reason: 'RegistryUnauthorized' });
  expect(await asked()).toHaveLength(3);
});

test("Docker's hub is asked for under the name that docker login gives it", async () => {
  await writeHelper(says(otherLogin));
  expect(await helper('test', 'docker.io')({ renew: false })).toEqual(otherLogin);
  expect(await asked()).toEqual(['get https://index.docker.io/v1/']);
});

test.each([
  {
    name: 'nowhere',
    script: says(registryLogin),
    words: 'docker-credential-nowhere ENOENT',
    temporary: false,
  },
  {
    name: 'test',
    script: 'echo credentials not found; exit 1',
    words: /test ended with 1: credentials not found$/,
    temporary: true,
  },
  {
    name: 'test',
    script: 'echo "{}"',
    words: 'docker-credential-test answered no user and secret',
    temporary: false,
  },
  {
    name: 'test',
    script: `${says(registryLogin)}; exit 3`,
    words: /test ended with 3$/,
    temporary: true,
  },
  {
    name: 'test',
    script: `${says(registryLogin)}; kill -9 $$`,
    words: /test ended with SIGKILL$/,
    temporary: true,
  },
  {
    name: 'test',
    script: 'head -c 100000 /dev/zero',
    words: /test ended with ERR_CHILD_PROCESS_STDIO_MAXBUFFER$/,
    temporary: true,
  },
])('$name, where it does $script, is the reason', async ({ name, script, words, temporary }) => {
  await writeHelper(script);
  const refused = helper(name)({ renew: false });
  await expect(refused).rejects.toThrow(words);
  await expect(refused).rejects.toMatchObject({ reason: 'RegistryUnauthorized', temporary });
});

test('an identity token is exchanged for a token of the registry', async () => {
  await writeHelper(says({ username: '<token>', password: 'refresh me' }));
  proxy = await startFaultProxy({
    upstream: registry.host,
    decide: ({ path, headers, method }) => {
      if (path === '/token') {
        const answer = { access_token: 'granted' };
        return {
          do: 'answer',
          status: method === 'POST' ? 200 : 405,
          body: JSON.stringify(answer),
        };
      }
      if (headers.authorization === 'Bearer granted') return { do: 'answer', status: 200 };
      const challenge = `Bearer realm="${proxy?.url}/token",service="acr"`;
      return { do: 'answer', status: 401, headers: { 'www-authenticate': challenge } };
    },
  });
  client = createRegistryClient({ registry: proxy.host, credentials: helper() });
  await client.ping();
  const exchange = proxy.requests.find(({ path }) => path === '/token');
  expect(exchange?.headers).not.toHaveProperty('authorization');
});
