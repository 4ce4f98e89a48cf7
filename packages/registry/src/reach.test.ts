import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRegistryClient } from './client.ts';

const server = createServer((_, response) => response.end());
let port: number;
let requests = 0;
beforeAll(async () => {
  server.on('request', () => (requests += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

async function ping(host: string, reach: (asked: string) => Promise<string>) {
  const client = createRegistryClient({
    registry: `${host}:${port}`,
    plainHttp: true,
    limits: { attempts: 1 },
    reach: async (asked) => [{ address: await reach(asked), family: 4 }],
  });
  try {
    await client.ping();
  } finally {
    await client.close();
  }
}

test('a name is dialed where it may lead, and nowhere else', async () => {
  const asked: string[] = [];
  await ping('registry.test', async (host) => {
    asked.push(host);
    return '127.0.0.1';
  });
  expect(asked).toEqual(['registry.test']);
  expect(requests).toBe(1);
});

test.each(['registry.test', '127.0.0.1', '[::1]'])(
  '%s is not dialed when it may not be',
  async (host) => {
    const before = requests;
    const refused = ping(host, () => Promise.reject(new Error('that is not for you')));
    await expect(refused).rejects.toMatchObject({
      reason: 'RegistryUnavailable',
      message: expect.stringContaining('that is not for you') as string,
    });
    expect(requests).toBe(before);
  },
);
