import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { registryLogin, startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { createRegistryClient, type RegistryClient } from './client.ts';
import type { RegistryCredentials } from './auth.ts';

let registry: TestRegistry;
let proxy: FaultProxy;
const clients: RegistryClient[] = [];
beforeAll(async () => {
  registry = await startRegistry({ login: true });
  proxy = await startFaultProxy({ upstream: registry.host });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await proxy?.stop();
  await registry?.stop();
});

function connect(login: RegistryCredentials | null = registryLogin): RegistryClient {
  const client = createRegistryClient({
    registry: proxy.host,
    credentials: async () => login ?? undefined,
    limits: { attempts: 1 },
  });
  clients.push(client);
  proxy.script();
  return client;
}

const asBuilder = { authorization: `Basic ${btoa('builder:registry-password')}` };

test('who may push is let through, and nothing is left behind', async () => {
  await connect().tryPush('fresh/shop');
  const upload = proxy.requests.find(({ method }) => method === 'DELETE')?.path;
  expect(upload).toContain('/v2/fresh/shop/blobs/uploads/');
  const left = await fetch(`${registry.url}${upload}`, { headers: asBuilder });
  expect(left.status).toBe(404);
  const catalog = await fetch(`${registry.url}/v2/_catalog`, { headers: asBuilder });
  expect(await catalog.json()).toEqual({ repositories: [] });
});

test.each([
  ['a wrong password', { ...registryLogin, password: 'wrong' }],
  ['no password', null],
])('%s is refused', async (_, login) => {
  const trying = connect(login).tryPush('shop');
  await expect(trying).rejects.toMatchObject({ reason: 'RegistryUnauthorized' });
});

test.each([
  ['a right that is lacking', 403, 'PushDenied'],
  ['a repository that is not made by itself', 404, 'PushDenied'],
  ['a registry that is away', 503, 'RegistryUnavailable'],
])('%s is told apart', async (_, status, reason) => {
  const client = connect();
  proxy.script({ method: 'POST', do: 'answer', status });
  await expect(client.tryPush('shop')).rejects.toMatchObject({ reason });
});

test('an upload that cannot be given up is no refusal', async () => {
  const client = connect();
  proxy.script({ method: 'DELETE', do: 'answer', status: 405 });
  await expect(client.tryPush('shop')).resolves.toBeUndefined();
});

test('a registry that is silent is waited for as long as the caller says', async () => {
  const client = connect();
  proxy.script({ method: 'POST', do: 'hang' });
  const asked = new AbortController();
  const trying = client.tryPush('shop', { signal: asked.signal });
  const reason = new Error('too late');
  asked.abort(reason);
  await expect(trying).rejects.toBe(reason);
});
