import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { SourceRef } from '@hephy/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startFaultProxy, type Fault, type FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { createDirectorySourceStore } from './directory-source-store.ts';
import { fetchSource, type FetchLimits, type FetchResult } from './fetch-source.ts';
import { fetcher, startSourceServer, type SourceServer } from './source-for-test.ts';
import { sourceUrl } from './source-listener.ts';
import { tarOf } from './tar-for-test.ts';

const large = randomBytes(1_000_000);
const tarball = tarOf({ name: 'Dockerfile', content: 'FROM x' }, { name: 'large', content: large });
const source = {
  sha256: createHash('sha256').update(tarball).digest('hex'),
  sizeBytes: tarball.length,
};
const token = `hephy_${'t'.repeat(43)}`;

let folder: string;
let directory: string;
let server: SourceServer;
let proxy: FaultProxy;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hephy-fetch-'));
  const sources = createDirectorySourceStore({ directory: path.join(folder, 'sources') });
  const signal = AbortSignal.timeout(30_000);
  await sources.put(Readable.from([tarball]), { maxBytes: 1e9, signal });
  server = await startSourceServer(source, { sources });
  proxy = await startFaultProxy({ upstream: server.host });
});
afterAll(async () => {
  await proxy.stop();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  directory = path.join(folder, `workspace-${randomBytes(4).toString('hex')}`);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

let waits: number[] = [];
function fetchIt(
  input: { url?: URL; wanted?: SourceRef; by?: string } = {},
  limits: Partial<FetchLimits> = {},
): Promise<FetchResult> {
  waits = [];
  const { url = new URL(sourceUrl(proxy.url, token)), wanted = source, by = fetcher } = input;
  return fetchSource(
    { url, source: wanted, directory },
    {
      fetcher: by,
      random: () => 1,
      wait: async (milliseconds) => void waits.push(milliseconds),
      limits,
    },
  );
}

async function expectUnpacked(): Promise<void> {
  expect(await readFile(path.join(directory, 'Dockerfile'), 'utf8')).toBe('FROM x');
  expect((await readFile(path.join(directory, 'large'))).equals(large)).toBe(true);
  expect(await readdir(directory)).toHaveLength(2);
}

describe('a source', () => {
  test('is fetched and unpacked', async () => {
    proxy.script();
    expect(await fetchIt()).toEqual({ ok: true, tries: 1 });
    await expectUnpacked();
    expect(proxy.requests).toHaveLength(1);
  });

  test('is not unpacked between files of somebody else', async () => {
    await mkdir(directory);
    await writeFile(path.join(directory, 'kept'), 'kept');
    expect(await fetchIt()).toMatchObject({ failure: { detail: `${directory} is not empty` } });
    expect(await readdir(directory)).toEqual(['kept']);
  });
});

describe('a transfer that breaks', () => {
  const faults: Record<string, Fault> = {
    'before it begins': { do: 'reset' },
    'in its middle': { do: 'cutBody' },
    'after the server did its part': { do: 'loseAnswer' },
    'with an answer of a server that is busy': { do: 'answer', status: 503 },
    'with an answer of a proxy': { do: 'answer', status: 502 },
  };
  for (const [when, fault] of Object.entries(faults)) {
    test(`${when} is made again by the same fetcher, from the start`, async () => {
      proxy.script({ ...fault, times: 3 });
      expect(await fetchIt()).toEqual({ ok: true, tries: 4 });
      await expectUnpacked();
      expect(waits).toEqual([250, 500, 1000]);
      const fetchers = proxy.requests.map(({ headers }) => headers['hephy-fetcher']);
      expect(fetchers).toEqual(Array.from({ length: 4 }, () => fetcher));
    });
  }

  test('because the server has too many is made again for as long as there is time', async () => {
    const busy = { do: 'answer', status: 503, headers: { 'retry-after': '1' } } as const;
    proxy.script({ ...busy, times: 30 });
    expect(await fetchIt({}, { tries: 2 })).toEqual({ ok: true, tries: 31 });
    expect(waits.slice(0, 4)).toEqual([1000, 1000, 1000, 2000]);
    await expectUnpacked();
  });

  test('with silence is given up after a while, and made again', async () => {
    proxy.script({ do: 'hang' });
    expect(await fetchIt({}, { idleMs: 2_000 })).toEqual({ ok: true, tries: 2 });
  });

  test('with silence in its middle is made again', async () => {
    const halfway = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${source.sizeBytes}\r\n\r\nhalf`);
    });
    halfway.listen(0, '127.0.0.1');
    const { port } = await new Promise<{ port: number }>((resolve) => {
      halfway.once('listening', () => resolve(halfway.address() as { port: number }));
    });
    const url = new URL(sourceUrl(`http://127.0.0.1:${port}`, token));
    const result = await fetchIt({ url }, { idleMs: 200, tries: 2 });
    expect(result).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
    halfway.close();
  });

  test('is not made for ever', async () => {
    proxy.script({ do: 'reset', times: 100 });
    expect(await fetchIt({}, { tries: 10 })).toMatchObject({
      ok: false,
      failure: { reason: 'SourceUnavailable', detail: expect.stringMatching(/, 10 times$/) },
    });
    expect(proxy.requests).toHaveLength(10);
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  });

  test('has an end in time as well', async () => {
    proxy.script({ do: 'hang', times: 100 });
    const result = await fetchSource(
      { url: new URL(sourceUrl(proxy.url, token)), source, directory },
      {
        fetcher,
        random: () => 1,
        wait: async (_milliseconds, signal) => signal.throwIfAborted(),
        limits: { totalMs: 300 },
      },
    );
    expect(result).toMatchObject({
      failure: { detail: expect.stringContaining('longer than 0.3 s') },
    });
  });
});

describe('what no further try would mend', () => {
  test('is a grant of somebody else', async () => {
    proxy.script();
    const result = await fetchIt({ by: 'o'.repeat(43) });
    expect(result).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
    expect(proxy.requests).toHaveLength(1);
    expect(JSON.stringify(result)).not.toContain(token);
  });

  test('is other bytes than those of the source', async () => {
    proxy.script({ do: 'corruptBody' });
    const result = await fetchIt();
    expect(result).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
    expect(proxy.requests).toHaveLength(1);
  });

  test('is more bytes than those of the source, of which none is read', async () => {
    const result = await fetchIt({ wanted: { ...source, sizeBytes: source.sizeBytes - 1 } });
    expect(result).toMatchObject({ ok: false, failure: { reason: 'SourceUnavailable' } });
    expect(await readdir(directory)).toEqual([]);
  });

  test('is a server that sends us elsewhere', async () => {
    proxy.script({ do: 'answer', status: 302, headers: { location: 'http://127.0.0.1:1/' } });
    expect(await fetchIt()).toMatchObject({
      failure: { detail: 'the server answered 302' },
    });
  });

  test('is a commit with more files than we take', async () => {
    proxy.script();
    expect(await fetchIt({}, { maxEntries: 1 })).toMatchObject({
      failure: { reason: 'SourceTooLarge', detail: 'it has more than 1 files and directories' },
    });
  });
});
