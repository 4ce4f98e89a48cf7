import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { SourceRef } from '@hephy/core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../test/parts/until.ts';
import { createDirectorySourceStore } from './directory-source-store.ts';
import { fetcher, startSourceServer, token, type SourceServer } from './source-for-test.ts';
import type { SourceListenerDeps } from './source-listener.ts';
import { SourceDamaged, type SourceStore } from './source-store.ts';

const bytes = randomBytes(20_000_000);
let directory: string;
let sources: SourceStore;
let source: SourceRef;
let servers: SourceServer[] = [];

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'hephy-source-listener-'));
  sources = createDirectorySourceStore({ directory });
  source = await put(bytes);
});
afterEach(async () => {
  for (const server of servers) await server.close();
  servers = [];
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function put(content: Buffer): Promise<SourceRef> {
  const signal = AbortSignal.timeout(30_000);
  const stored = await sources.put(Readable.from([content]), { maxBytes: 1e9, signal });
  if (!stored.ok) throw new Error(stored.failure.reason);
  return stored.source;
}

async function start(
  deps: Partial<SourceListenerDeps> = {},
  granted: SourceRef = source,
): Promise<SourceServer> {
  const server = await startSourceServer(granted, { sources, ...deps });
  servers.push(server);
  return server;
}

async function ask(
  { host }: SourceServer,
  asked: { shown?: string; by?: string | null; method?: string } = {},
): Promise<IncomingMessage> {
  const { shown = token, by = fetcher, method = 'GET' } = asked;
  const headers = by === null ? {} : { 'hephy-fetcher': by };
  const url = `http://${host}/v1/sources/${shown}`;
  const [response] = (await once(get(url, { headers, method, agent: false }), 'response')) as [
    IncomingMessage,
  ];
  return response;
}

/** A reader that asks and then takes nothing. */
async function askAndStall({ host }: SourceServer): Promise<ReturnType<typeof connect>> {
  const [name, port] = host.split(':');
  const socket = connect({ host: name ?? '', port: Number(port) });
  await once(socket, 'connect');
  socket.pause();
  socket.on('error', () => undefined);
  const lines = [`GET /v1/sources/${token} HTTP/1.1`, 'Host: x', `hephy-fetcher: ${fetcher}`];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return socket;
}

describe('a grant', () => {
  test('gives the source, byte for byte, as often as its fetcher asks', async () => {
    const server = await start();
    for (let time = 0; time < 2; time += 1) {
      const response = await ask(server);
      expect(response.headers).toMatchObject({
        'content-length': String(source.sizeBytes),
        'content-type': 'application/x-tar',
        'cache-control': 'no-store',
      });
      expect((await buffer(response)).equals(bytes)).toBe(true);
    }
    expect(server.errors).toEqual([]);
  });

  test('gives an empty source too', async () => {
    const response = await ask(await start({}, await put(Buffer.alloc(0))));
    expect(response.statusCode).toBe(200);
    expect(await buffer(response)).toHaveLength(0);
  });

  test('answers the same for whatever is wrong', async () => {
    const server = await start();
    const gone = await start({}, { sha256: 'c'.repeat(64), sizeBytes: 5 });
    const wrong = [
      () => ask(server, { shown: `hephy_${'u'.repeat(43)}` }),
      () => ask(server, { shown: '..%2f..%2fetc%2fpasswd' }),
      () => ask(server, { shown: `${token}?again` }),
      () => ask(server, { shown: '' }),
      () => ask(server, { by: 'g'.repeat(43) }),
      () => ask(server, { by: null }),
      () => ask(server, { method: 'DELETE' }),
      () => ask(gone),
    ];
    for (const asked of wrong) {
      const response = await asked();
      const { date: _, ...headers } = response.headers;
      expect({ status: response.statusCode, headers }).toEqual({
        status: 404,
        headers: { 'content-length': '0', connection: 'close' },
      });
      expect(await buffer(response)).toHaveLength(0);
    }
    expect(server.errors).toEqual([]);
    // That a source is gone is for the operator to know.
    expect(gone.errors).toMatchObject([{ name: 'SourceDamaged' }]);
  });

  test('leaves other paths to others', async () => {
    const { host } = await start();
    expect((await fetch(`http://${host}/livez`)).status).toBe(418);
  });
});

describe('a source that is damaged', () => {
  const damages: Record<string, (file: string) => Promise<void>> = {
    'by a byte': async (file) => {
      const handle = await open(file, 'r+');
      await handle.write(Buffer.from([1, 2, 3]), 0, 3, 10);
      await handle.close();
    },
    'by a byte too few': (file) => truncate(file, 4_999_999),
    'by a byte too many': (file) => appendFile(file, 'x'),
  };
  for (const [how, damage] of Object.entries(damages)) {
    test(`${how} is cut off before its end, and told to the operator`, async () => {
      const damaged = await put(randomBytes(5_000_000));
      const folder = path.join(directory, damaged.sha256.slice(0, 2));
      await damage(path.join(folder, `${damaged.sha256}.tar`));
      const server = await start({}, damaged);
      let received = 0;
      const reading = (async () => {
        for await (const chunk of await ask(server)) received += (chunk as Buffer).length;
      })();
      await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET' });
      expect(received).toBeLessThan(damaged.sizeBytes);
      await until('the operator is told', () => server.errors.length > 0);
      expect(server.errors[0]).toBeInstanceOf(SourceDamaged);
      expect(String(server.errors)).not.toContain(token);
    });
  }

  test('and small is refused', async () => {
    const damaged = await put(randomBytes(100));
    const folder = path.join(directory, damaged.sha256.slice(0, 2));
    await appendFile(path.join(folder, `${damaged.sha256}.tar`), 'x');
    const server = await start({}, damaged);
    const response = await ask(server);
    expect(response.statusCode).toBe(404);
    expect(server.errors[0]).toBeInstanceOf(SourceDamaged);
  });
});

describe('a record that does not answer', () => {
  test('is told to the operator, and the fetcher may come again', async () => {
    const server = await start({ redeem: () => Promise.reject(new Error('no database')) });
    const response = await ask(server);
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('1');
    expect(server.errors).toMatchObject([{ message: 'no database' }]);
  });
});

describe('readers that are slow', () => {
  test('cannot take all places for longer than their time', async () => {
    const limits = { transfers: 2, idleMs: 400 };
    const server = await start({ limits });
    const stalled = await Promise.all([askAndStall(server), askAndStall(server)]);
    await until('both have a place', async () => {
      const response = await ask(server);
      response.resume();
      return response.statusCode === 503;
    });
    const response = await until('a place is free again', async () => {
      const answer = await ask(server);
      return answer.statusCode === 200 && answer;
    });
    expect((await buffer(response)).equals(bytes)).toBe(true);
    expect(server.errors).toEqual([]);
    for (const socket of stalled) socket.destroy();
  });

  test('that take a little all the time are ended as well', async () => {
    const server = await start({ limits: { transferMs: 300, bytesPerMs: 1_000_000 } });
    const socket = await askAndStall(server);
    let received = 0;
    const sipping = setInterval(() => {
      received += (socket.read(1000) as Buffer | null)?.length ?? 0;
    }, 20);
    await until(
      'the server has closed it',
      () =>
        new Promise<boolean>((resolve) => {
          server.server.getConnections((_error, count) => resolve(count === 0));
        }),
    );
    clearInterval(sipping);
    expect(received).toBeLessThan(source.sizeBytes);
    expect(server.errors).toEqual([]);
    socket.destroy();
  });

  test('that go give their place back at once', async () => {
    const server = await start({ limits: { transfers: 1 } });
    for (let time = 0; time < 5; time += 1) {
      const response = await until('a place', async () => {
        const answer = await ask(server);
        if (answer.statusCode !== 200) answer.resume();
        return answer.statusCode === 200 && answer;
      });
      response.destroy();
    }
    expect(server.errors).toEqual([]);
  });
});
