/** On versitygw, a real S3 server, which Go builds. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildTool } from '../../../test/cluster/tools.ts';
import { startFaultProxy, type Fault, type FaultProxy } from '../../../test/parts/fault-proxy.ts';
import { startS3Server, type S3Server } from '../../../test/parts/s3-server.ts';
import { startStallingProxy } from '../../../test/parts/stalling-proxy.ts';
import { fetchSource } from './fetch-source.ts';
import type { S3Limits } from './open-bucket.ts';
import { openS3SourceStore } from './open-s3-source-store.ts';
import type { S3SourceStore } from './s3-source-store.ts';
import { fetcher, startSourceServer } from './source-for-test.ts';
import { sourceStoreConformance } from './source-store-conformance.ts';
import { SourceAway, type PutResult } from './source-store.ts';
import { tarOf } from './tar-for-test.ts';

let server: S3Server;
let folder: string;
let store: S3SourceStore;
let waits: number[];

interface StoreInput {
  readonly host?: string;
  readonly bucket?: string;
  readonly prefix?: string;
  readonly limits?: Partial<S3Limits>;
  /** What happens while the store waits before it tries again. */
  readonly meanwhile?: () => Promise<void>;
}

async function openStore(input: StoreInput = {}): Promise<S3SourceStore> {
  const { host = server.host, bucket = server.bucket, prefix = '', limits = {} } = input;
  waits = [];
  store = await openS3SourceStore(
    {
      bucket,
      prefix,
      region: 'us-east-1',
      endpoint: `http://${host}`,
      credentials: server.credentials,
      spoolDirectory: path.join(folder, 'spool'),
    },
    {
      wait: async (milliseconds) => {
        waits.push(milliseconds);
        await input.meanwhile?.();
      },
      onError: () => undefined,
      limits,
    },
  );
  return store;
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hephy-s3-store-'));
  server = await startS3Server(await buildTool('versitygw'));
});
afterEach(() => store?.close());
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** All objects, parts of uploads included, and what lies in the spool. */
async function listKept(): Promise<string[]> {
  const directories = [server.directory, path.join(folder, 'spool')];
  const found = await Promise.all(
    directories.map((directory) =>
      readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []),
    ),
  );
  const files = found.flat().filter((entry) => entry.isFile());
  return files.map(({ name }) => name).toSorted();
}

async function* pieces(...all: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* all;
}
const put = (bytes: Buffer, signal = AbortSignal.timeout(60_000)): Promise<PutResult> =>
  store.put(pieces(bytes), { maxBytes: 1e9, signal });

const shaOf = (name: string): string => name.replace(/\.tar$/, '');

const sourceOf = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sizeBytes: bytes.length,
});

async function expectStored(bytes: Buffer): Promise<void> {
  expect((await buffer(store.open(sourceOf(bytes)))).equals(bytes)).toBe(true);
}

sourceStoreConformance('S3', async () => {
  const conforming = await openStore();
  return {
    store: conforming,
    async damage(sha256) {
      const file = await open(path.join(server.directory, `${sha256}.tar`), 'r+');
      await file.write(Buffer.from([1, 2, 3]), 0, 3, 10);
      await file.close();
    },
    listKept,
    close: async () => conforming.close(),
  };
});

describe('a sweep of a bucket', () => {
  const future = new Date(Date.now() + 3_600_000);

  test('leaves what others have in it', async () => {
    const bytes = randomBytes(1000);
    const theirs = await openStore({ prefix: 'ours/too/' });
    await put(bytes);
    const foreign = path.join(server.directory, 'ours', 'notes.txt');
    await writeFile(foreign, 'not a source');
    const ours = await openStore({ prefix: 'ours/' });
    await put(bytes);
    expect(await ours.sweep({ keep: new Set(), olderThan: future })).toEqual({ removed: 1 });
    await rm(foreign);
    expect((await buffer(theirs.open(sourceOf(bytes)))).equals(bytes)).toBe(true);
    theirs.close();
  });

  test('of many sources removes a page of them, and the next one goes on', async () => {
    const many = path.join(server.directory, 'many');
    await mkdir(many);
    const old = new Date(Date.now() - 3_600_000);
    for (let made = 0; made < 1200; made += 1) {
      const file = path.join(many, `${createHash('sha256').update(`${made}`).digest('hex')}.tar`);
      await writeFile(file, '');
      await utimes(file, old, old);
    }
    const keep = new Set((await readdir(many)).toSorted().slice(0, 100).map(shaOf));
    await openStore({ prefix: 'many/' });
    const olderThan = new Date(Date.now() - 60_000);
    expect(await store.sweep({ keep, olderThan })).toEqual({ removed: 900 });
    expect(await store.sweep({ keep, olderThan })).toEqual({ removed: 200 });
    expect(new Set((await readdir(many)).map(shaOf))).toEqual(keep);
    expect(await store.sweep({ keep: new Set(), olderThan })).toEqual({ removed: 100 });
  });

  test('that takes too long leaves the rest to the next', async () => {
    const all = [randomBytes(10), randomBytes(10), randomBytes(10)];
    await openStore({ prefix: 'slow/' });
    for (const bytes of all) await put(bytes);
    await openStore({ prefix: 'slow/', limits: { sweepMs: 0 } });
    let removed = 0;
    let sweeps = 0;
    for (; removed < 3 && sweeps < 10; sweeps += 1) {
      removed += (await store.sweep({ keep: new Set(), olderThan: future })).removed;
    }
    expect(removed).toBe(3);
    expect(sweeps).toBeGreaterThan(1);
  });
});

describe('a bucket', () => {
  test('is well if it is there', async () => {
    await (await openStore()).check();
    await (await openStore({ prefix: 'nothing/here/' })).check();
    await expect((await openStore({ bucket: 'missing' })).check()).rejects.toThrow(
      'there is no bucket missing (404 NoSuchBucket)',
    );
  });

  // Mounting needs root, as the cluster does.
  test('that is full is told', async () => {
    const small = path.join(path.dirname(server.directory), 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    try {
      await openStore({ bucket: 'small' });
      const failure = { reason: 'DiskFull', detail: 'the bucket small' };
      expect(await put(randomBytes(3_000_000))).toEqual({ ok: false, failure });
      const fits = randomBytes(100_000);
      expect(await put(fits)).toMatchObject({ ok: true });
      await expectStored(fits);
    } finally {
      execFileSync('umount', ['--lazy', small]);
    }
  });
});

describe('a server that fails for a while', () => {
  let proxy: FaultProxy;
  beforeAll(async () => {
    proxy = await startFaultProxy({ upstream: server.host });
  });
  afterAll(() => proxy.stop());

  const faults: Record<string, Fault> = {
    'answers 503': { do: 'answer', status: 503 },
    'breaks the connection': { do: 'reset' },
    'breaks the connection before its answer': { do: 'loseAnswer' },
    'says nothing': { do: 'hang' },
  };
  for (const [how, fault] of Object.entries(faults)) {
    test(`and ${how}, is given all bytes again`, async () => {
      const bytes = randomBytes(3_000_000);
      proxy.script({ ...fault, method: 'PUT', times: 2 });
      await openStore({ host: proxy.host, limits: { idleMs: 500 } });
      expect(await put(bytes)).toEqual({ ok: true, source: sourceOf(bytes) });
      expect(waits).toEqual([200, 400]);
      await expectStored(bytes);
    });
  }

  test('and cuts a source off: it is away, not damaged', async () => {
    const bytes = randomBytes(3_000_000);
    await openStore({ host: proxy.host });
    proxy.script();
    await put(bytes);
    proxy.script({ do: 'cutBody', method: 'GET' });
    await expect(expectStored(bytes)).rejects.toBeInstanceOf(SourceAway);
  });

  test('and is killed with -9 in the middle of an upload, has nothing of it', async () => {
    const bytes = randomBytes(9_000_000);
    const before = await listKept();
    const wire = await startStallingProxy(server.host, 4_000_000);
    try {
      await openStore({ host: wire.host });
      const putting = put(bytes);
      await wire.stalled;
      await server.kill();
      expect(await putting).toMatchObject({ ok: false, failure: { reason: 'SourceNotStored' } });
      expect(await listKept()).toEqual(before);
    } finally {
      await wire.close();
      await server.start();
    }
    await openStore();
    expect(await put(bytes)).toMatchObject({ ok: true });
    await expectStored(bytes);
  });

  test('and is back before the last try, has the source', async () => {
    const bytes = randomBytes(1_000_000);
    await server.kill();
    await openStore({ meanwhile: () => server.start() });
    expect(await put(bytes)).toEqual({ ok: true, source: sourceOf(bytes) });
    expect(waits).toEqual([200]);
    await expectStored(bytes);
  });

  test('and hangs in the middle of a source: it is away, not damaged', async () => {
    const bytes = randomBytes(30_000_000);
    await openStore({ limits: { idleMs: 300 } });
    await put(bytes);
    const readUntilItHangs = async (): Promise<void> => {
      for await (const chunk of store.open(sourceOf(bytes))) {
        expect(chunk).toBeInstanceOf(Buffer);
        server.freeze();
      }
    };
    try {
      await expect(readUntilItHangs()).rejects.toBeInstanceOf(SourceAway);
    } finally {
      server.thaw();
    }
  });

  test('and is away when a pod fetches a source, costs the pod another try', async () => {
    const tarball = tarOf({ name: 'Dockerfile', content: 'FROM scratch\n' });
    await openStore();
    await put(tarball);
    const source = sourceOf(tarball);
    const sources = await startSourceServer(source, { sources: store });
    try {
      await server.kill();
      const directory = path.join(folder, 'workspace');
      const fetched = fetchSource(
        { url: sources.url, source, directory },
        { fetcher, random: () => 0, wait: () => server.start() },
      );
      expect(await fetched).toEqual({ ok: true, tries: 2 });
      expect(await readdir(directory)).toEqual(['Dockerfile']);
      expect(String(sources.errors)).toContain('the bucket sources does not answer (ECONNREFUSED)');
    } finally {
      await sources.close();
    }
  });
});

test('a source of 500 MB is put and read without being held', async () => {
  const piece = randomBytes(1_000_000);
  async function* many(): AsyncGenerator<Buffer> {
    for (let given = 0; given < 500; given += 1) yield piece;
  }
  await openStore();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 10);
  try {
    const signal = AbortSignal.timeout(120_000);
    const stored = await store.put(many(), { maxBytes: 1e9, signal });
    if (!stored.ok) throw new Error('it fits');
    let readBytes = 0;
    for await (const chunk of store.open(stored.source) as AsyncIterable<Buffer>) {
      readBytes += chunk.length;
    }
    expect(readBytes).toBe(500_000_000);
    // What is not collected yet is in it.
    expect(most).toBeLessThan(250_000_000);
    await store.remove(stored.source.sha256);
  } finally {
    clearInterval(timer);
  }
});

test('a put that is aborted in the middle of its upload ends at once, and leaves nothing', async () => {
  const before = await listKept();
  const wire = await startStallingProxy(server.host, 100_000);
  try {
    await openStore({ host: wire.host });
    const leave = new AbortController();
    const putting = put(randomBytes(9_000_000), leave.signal);
    await wire.stalled;
    leave.abort(new Error('client left'));
    await expect(putting).rejects.toThrow('client left');
    expect(await listKept()).toEqual(before);
  } finally {
    await wire.close();
  }
});
