import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startFaultProxy } from '../../../test/parts/fault-proxy.ts';
import type { FaultProxy, RecordedRequest } from '../../../test/parts/fault-proxy.ts';
import { pushImage } from '../../../test/parts/images.ts';
import { registryLogin, startRegistry } from '../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../test/parts/registry.ts';
import { parseChallenges } from './challenge.ts';
import { createRegistryClient } from './client.ts';
import type { RegistryClient, RegistryClientOptions } from './client.ts';

const clients: RegistryClient[] = [];
const proxies: FaultProxy[] = [];
let open: TestRegistry;
let closed: TestRegistry;

beforeAll(async () => {
  [open, closed] = await Promise.all([startRegistry(), startRegistry({ login: true })]);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});
afterAll(async () => {
  await Promise.all([open.stop(), closed.stop()]);
});

function connect(options: RegistryClientOptions): RegistryClient {
  const client = createRegistryClient({ wait: async () => undefined, ...options });
  clients.push(client);
  return client;
}
const credentials = async () => registryLogin;
const image = { repository: 'shop', platform: { os: 'linux', architecture: 'amd64' }, tag: 'v1' };

/** A registry that wants a token, which its own token service gives out. */
async function startTokenRegistry(
  answerToken: (count: number) => { status?: number; body: unknown },
  challenge: (url: string) => string = (url) => `Bearer realm="${url}/token",service="test"`,
): Promise<{ proxy: FaultProxy; asked: () => RecordedRequest[]; revoke: () => void }> {
  let given = 0;
  let valid = '';
  const decide = ({ path, headers }: RecordedRequest) => {
    if (path.startsWith('/token')) {
      const { status = 200, body } = answerToken((given += 1));
      valid = `Bearer token-${given}`;
      return { do: 'answer' as const, status, body: JSON.stringify(body) };
    }
    const isKnown = headers.authorization === valid;
    const header = { 'www-authenticate': challenge(proxy.url) };
    return isKnown ? undefined : { do: 'answer' as const, status: 401, headers: header };
  };
  const proxy = await startFaultProxy({ upstream: open.host, decide });
  proxies.push(proxy);
  return {
    proxy,
    asked: () => proxy.requests.filter(({ path }) => path.startsWith('/token')),
    revoke: () => (valid = 'none'),
  };
}

describe('a registry that asks for user and password', () => {
  test('takes an image from those who have them', async () => {
    const client = connect({ registry: closed.host, credentials });
    await client.ping();
    const digest = await pushImage(client, image);
    expect(await client.headManifest('shop', 'v1')).toMatchObject({ digest });
  });

  test.each([
    ['a wrong password', async () => ({ username: 'builder', password: 'wrong-password' })],
    ['no credentials', undefined],
  ])('refuses %s for good, and the sentence holds no password', async (_what, wrong) => {
    const client = connect({ registry: closed.host, ...(wrong && { credentials: wrong }) });
    const refused = client.ping();
    await expect(refused).rejects.toMatchObject({
      reason: 'RegistryUnauthorized',
      temporary: false,
    });
    await expect(refused).rejects.not.toThrow(/wrong-password/);
  });
});

describe('a registry that asks for a token', () => {
  test('gets one for each set of rights, the push right named for a push', async () => {
    const { proxy, asked } = await startTokenRegistry((count) => ({
      body: { token: `token-${count}`, expires_in: 300 },
    }));
    const client = connect({ registry: proxy.host, credentials });
    await client.blobExists('shop', `sha256:${'0'.repeat(64)}`);
    await client.headManifest('shop', 'absent');
    const scopes = () =>
      asked().map(({ path }) => new URL(path, proxy.url).searchParams.getAll('scope'));
    expect(scopes()).toEqual([['repository:shop:pull']]);
    await pushImage(client, { ...image, content: 'tokens' });
    expect(scopes()).toContainEqual(['repository:shop:pull,push']);
    const basic = `Basic ${Buffer.from('builder:registry-password').toString('base64')}`;
    expect(asked().every(({ headers }) => headers.authorization === basic)).toBe(true);
  });

  test('is asked for one token by requests that run side by side', async () => {
    const { proxy, asked } = await startTokenRegistry((count) => ({
      body: { token: `token-${count}` },
    }));
    const client = connect({ registry: proxy.host });
    await Promise.all(['a', 'b', 'c', 'd'].map((tag) => client.headManifest('shop', tag)));
    expect(asked()).toHaveLength(1);
  });

  test('may offer several ways, and name the token access_token', async () => {
    const { proxy } = await startTokenRegistry(
      (count) => ({ body: { access_token: `token-${count}` } }),
      (url) => `Basic realm="old, and tired", Bearer realm="${url}/token",service="test"`,
    );
    await expect(connect({ registry: proxy.host }).ping()).resolves.toBeUndefined();
  });

  test('that forgets a token half-way is given a new one', async () => {
    const { proxy, asked, revoke } = await startTokenRegistry((count) => ({
      body: { token: `token-${count}`, expires_in: 3600 },
    }));
    const client = connect({ registry: proxy.host });
    await client.headManifest('shop', 'v1');
    revoke();
    await client.headManifest('shop', 'v1');
    expect(asked()).toHaveLength(2);
  });

  test('a token without expires_in lasts less than a minute', async () => {
    let nowMs = 0;
    const { proxy, asked } = await startTokenRegistry((count) => ({
      body: { token: `token-${count}` },
    }));
    const client = connect({ registry: proxy.host, now: () => nowMs });
    await client.headManifest('shop', 'v1');
    nowMs = 50_000;
    await client.headManifest('shop', 'v1');
    expect(asked()).toHaveLength(1);
    nowMs = 60_000;
    await client.headManifest('shop', 'v1');
    expect(asked()).toHaveLength(2);
  });

  test.each([
    { status: 401, body: {}, reason: 'RegistryUnauthorized', tries: 1 },
    { status: 200, body: { nothing: true }, reason: 'RegistryUnauthorized', tries: 1 },
    { status: 429, body: {}, reason: 'RateLimited', tries: 5 },
    { status: 503, body: {}, reason: 'RegistryUnavailable', tries: 5 },
  ])('whose token service answers $status $body fails: $reason', async (given) => {
    const { proxy, asked } = await startTokenRegistry(() => given);
    const client = connect({ registry: proxy.host, credentials });
    const { reason, tries } = given;
    await expect(client.headManifest('shop', 'v1')).rejects.toMatchObject({ reason });
    expect(asked()).toHaveLength(tries);
  });

  test('is not shown a password at a place that is not safe', async () => {
    const { proxy, asked } = await startTokenRegistry(
      () => ({ body: {} }),
      () => 'Bearer realm="http://auth.example/token"',
    );
    const client = connect({ registry: proxy.host, credentials });
    await expect(client.ping()).rejects.toMatchObject({ reason: 'RegistryUnauthorized' });
    expect(asked()).toEqual([]);
  });

  test('an abort ends the wait for a token', async () => {
    const proxy = await startFaultProxy({
      decide: ({ path }) =>
        path.startsWith('/token')
          ? { do: 'hang' }
          : {
              do: 'answer',
              status: 401,
              headers: { 'www-authenticate': `Bearer realm="${proxy.url}/token"` },
            },
    });
    proxies.push(proxy);
    const controller = new AbortController();
    const waiting = connect({ registry: proxy.host }).ping({ signal: controller.signal });
    const tokenAsked = async () => proxy.requests.some(({ path }) => path.startsWith('/token'));
    await expect.poll(tokenAsked, { timeout: 20_000 }).toBe(true);
    controller.abort(new Error('the user left'));
    await expect(waiting).rejects.toThrow('the user left');
  });
});

test.each([
  ['Bearer realm="https://a/t",service="s"', [['bearer', { realm: 'https://a/t', service: 's' }]]],
  [
    'Negotiate, Basic realm="a \\"b\\", c", Bearer realm=x',
    [
      ['negotiate', {}],
      ['basic', { realm: 'a "b", c' }],
      ['bearer', { realm: 'x' }],
    ],
  ],
  ['', []],
  ['"=,,', []],
])('the header %j offers %j', (header, challenges) => {
  const read = parseChallenges(header).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);
  expect(read).toEqual(challenges);
});
