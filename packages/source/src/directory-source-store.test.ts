import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createDirectorySourceStore } from './directory-source-store.ts';
import { sourceStoreConformance } from './source-store-conformance.ts';

sourceStoreConformance('directory', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'hephy-sources-'));
  return {
    store: createDirectorySourceStore({ directory }),
    async damage(sha256) {
      const file = await open(path.join(directory, sha256.slice(0, 2), `${sha256}.tar`), 'r+');
      await file.write(Buffer.from([1, 2, 3]), 0, 3, 10);
      await file.close();
    },
    listKept: () => listFiles(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});

test('a sweep removes what a killed put left', async () => {
  await using folder = await temporaryFolder();
  await mkdir(path.join(folder.path, 'incoming'));
  await writeFile(path.join(folder.path, 'incoming', 'left-over'), 'half');
  const store = createDirectorySourceStore({ directory: folder.path });
  const olderThan = new Date(Date.now() + 1000);
  expect(await store.sweep({ keep: new Set(), olderThan })).toEqual({ removed: 1 });
  expect(await listFiles(folder.path)).toEqual([]);
});

test('what a child process wrote before it exited is put, however late the directory is ready', async () => {
  await using folder = await temporaryFolder();
  const store = createDirectorySourceStore({ directory: path.join(folder.path, 'a', 'b') });
  for (let run = 0; run < 20; run += 1) {
    const child = spawn('printf', ['%s', 'all of it'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const put = await store.put(child.stdout, {
      maxBytes: 100,
      signal: AbortSignal.timeout(30_000),
    });
    expect(put).toMatchObject({ ok: true, source: { sizeBytes: 9 } });
  }
});

test('what is written is let go: a source may be larger than the memory', async () => {
  await using folder = await temporaryFolder();
  const store = createDirectorySourceStore({ directory: folder.path });
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const given: WeakRef<Uint8Array>[] = [];
  let held = 0;
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces(100)) {
      given.push(new WeakRef(piece));
      yield piece;
    }
    collectGarbage();
    held = given.filter((piece) => piece.deref() !== undefined).length;
  }
  const signal = AbortSignal.timeout(30_000);
  await store.put(watched(), { maxBytes: 1e9, signal });
  expect(held).toBeLessThan(50);
});

// Mounting needs root: developers without it skip nothing else, and CI has to have it.
const mayMount = process.getuid?.() === 0 || process.env['CI'] === 'true';

test.runIf(mayMount)('a full disk is told, and nothing is left on it', async () => {
  await using folder = await temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder.path]);
  try {
    const store = createDirectorySourceStore({ directory: folder.path });
    const signal = AbortSignal.timeout(30_000);
    const large = await store.put(pieces(40), { maxBytes: 1e9, signal });
    expect(large).toMatchObject({
      ok: false,
      failure: { reason: 'DiskFull', detail: folder.path },
    });
    expect(await listFiles(folder.path)).toEqual([]);
    const small = await store.put(pieces(2), { maxBytes: 1e9, signal });
    if (!small.ok) throw new Error('the small one fits');
    expect(await buffer(store.open(small.source))).toHaveLength(2 * 65_536);
  } finally {
    execFileSync('umount', [folder.path]);
  }
});

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < count; piece += 1) yield randomBytes(65_536);
}

async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hephy-sources-'));
  return {
    path: folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
