import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { correctSum, paxRecord, tarOf, type Member } from './tar-for-test.ts';
import { UnpackError } from './unpack-error.ts';
import { unpackTar } from './unpack-tar.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hephy-unpack-'));
  await mkdir(path.join(folder, 'outside'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

let unpacked = 0;
/** Into a new directory, whose path it answers. */
async function unpack(
  tarball: Buffer,
  { maxEntries = 1000, pieceBytes = 65_536 } = {},
): Promise<string> {
  const directory = path.join(folder, `unpacked-${(unpacked += 1)}`);
  await mkdir(directory);
  await pipeline(
    Readable.from(inPieces(tarball, pieceBytes)),
    unpackTar({ directory, maxEntries }),
  );
  return directory;
}

describe('a commit', () => {
  test('is unpacked as GNU tar does, whatever its names and however its bytes come', async () => {
    const tarball = await archiveOddCommit();
    const expected = path.join(folder, 'expected');
    await mkdir(expected);
    const options = ['--extract', '--no-same-owner', '--no-same-permissions'];
    execFileSync('tar', [...options, '--directory', expected], { input: tarball });
    for (const pieceBytes of [1, 511, 512, 1000, tarball.length]) {
      const directory = await unpack(tarball, { pieceBytes });
      expect(listTree(directory)).toBe(listTree(expected));
      execFileSync('diff', ['--recursive', '--no-dereference', expected, directory]);
    }
  });

  test('may be empty', async () => {
    const directory = await unpack(tarOf());
    expect(await readdir(directory)).toEqual([]);
  });

  test('may have a file that is larger than any piece of it', async () => {
    const content = randomBytes(3_000_001);
    const directory = await unpack(tarOf({ name: 'large', content }, { name: 'next' }));
    const sums = execFileSync('sha256sum', [path.join(directory, 'large')], { encoding: 'utf8' });
    const sum = execFileSync('sha256sum', { input: content, encoding: 'utf8' });
    expect(sums.slice(0, 64)).toBe(sum.slice(0, 64));
    expect(await readdir(directory)).toEqual(['large', 'next']);
  });
});

const outward = { name: 'link', type: '2', target: '../outside' };
const hostile: Record<string, Member[]> = {
  'a name that leads upwards': [{ name: '../outside/file' }],
  'a name that leads upwards in its middle': [{ name: 'a/../../outside/file' }],
  'a directory that leads upwards': [{ name: '../outside/folder/', type: '5' }],
  'an absolute name': [{ name: '/tmp/file' }],
  'an absolute name in its records': [
    { name: 'x', type: 'x', content: paxRecord('path', '/tmp/file') },
    { name: 'harmless' },
  ],
  'a name with NUL in its records': [
    { name: 'x', type: 'x', content: paxRecord('path', 'a\0b') },
    { name: 'harmless' },
  ],
  'a file through a link': [outward, { name: 'link/file' }],
  'a directory through a link': [outward, { name: 'link/folder/', type: '5' }],
  'a link through a link': [outward, { name: 'link/other', type: '2', target: 'x' }],
  'a file in the place of a link': [
    { name: 'link', type: '2', target: '../outside/file' },
    { name: 'link', content: 'through' },
  ],
  'a directory in the place of a link': [outward, { name: 'link/', type: '5' }],
  'a file below a file': [{ name: 'file' }, { name: 'file/file' }],
  'a file twice': [{ name: 'file' }, { name: 'file' }],
  'a hard link': [{ name: 'file' }, { name: 'other', type: '1', target: 'file' }],
  'a hard link to a file outside': [{ name: 'other', type: '1', target: '/etc/hostname' }],
  'a character device': [{ name: 'null', type: '3' }],
  'a block device': [{ name: 'disk', type: '4' }],
  'a pipe': [{ name: 'pipe', type: '6' }],
  'a sparse file of GNU tar': [{ name: 'sparse', type: 'S' }],
  'a long name of GNU tar': [{ name: '././@LongLink', type: 'L', content: 'a/b' }],
  'a sparse file in its records': [
    { name: 'x', type: 'x', content: paxRecord('GNU.sparse.major', '1') },
    { name: 'sparse' },
  ],
  'records without end': [{ name: 'x', type: 'x', sizeBytes: 8 * 1024 ** 3 - 1 }],
  'records of another grammar': [{ name: 'x', type: 'x', content: '12 path' }, { name: 'y' }],
  'a file without a name': [{ name: '' }],
  'a file that ends early': [{ name: 'file', content: 'short', sizeBytes: 1_000_000 }],
  'a link with bytes': [{ name: 'link', type: '2', target: 'x', content: 'bytes' }],
};

describe('a hostile tarball', () => {
  for (const [what, members] of Object.entries(hostile)) {
    test(`with ${what} is refused, and leaves nothing outside`, async () => {
      const failed = await unpack(tarOf(...members)).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(UnpackError);
      expect(failed).toMatchObject({ failure: { reason: 'SourceUnavailable' } });
      expect(await readdir(path.join(folder, 'outside'))).toEqual([]);
      expect(await readdir(folder)).toHaveLength(2);
    });
  }

  test('may hold links that lead out, and nothing follows them', async () => {
    const directory = await unpack(tarOf(outward, { name: 'file', content: 'kept' }));
    expect(listTree(directory)).toContain('link ../outside');
    expect(await readdir(path.join(folder, 'outside'))).toEqual([]);
  });

  test('that GNU tar made of a sparse file and a hard link is refused', async () => {
    const made = path.join(folder, 'made');
    await mkdir(made);
    await writeFile(path.join(made, 'sparse'), '');
    await truncate(path.join(made, 'sparse'), 1024 ** 4);
    for (const format of ['gnu', 'posix']) {
      const options = ['--create', '--sparse', `--format=${format}`, '--directory', made];
      const tarball = execFileSync('tar', [...options, 'sparse']);
      await expect(unpack(tarball)).rejects.toBeInstanceOf(UnpackError);
    }
  });

  test('with more entries than a commit may have is refused, parents that it only names included', async () => {
    const files = Array.from({ length: 11 }, (_, number) => ({ name: `file-${number}` }));
    const deep = { name: `${'d/'.repeat(11)}file` };
    for (const members of [files, [deep]]) {
      const refused = unpack(tarOf(...members), { maxEntries: 10 });
      await expect(refused).rejects.toMatchObject({ failure: { reason: 'SourceTooLarge' } });
    }
    await unpack(tarOf(...files), { maxEntries: 11 });
  });

  test('whatever has changed in it, is unpacked below the directory or refused', async () => {
    const tarball = await archiveOddCommit();
    const changes = fc.array(
      fc.record({ at: fc.nat(tarball.length - 1), byte: fc.nat(255), sound: fc.boolean() }),
      { minLength: 1, maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(changes, async (places) => {
        const changed = changedTarball(tarball, places);
        const failed = await unpack(changed).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failed === undefined || failed instanceof UnpackError).toBe(true);
        expect(await readdir(path.join(folder, 'outside'))).toEqual([]);
        await removeUnpacked();
      }),
      { numRuns: 200 },
    );
  });
});

// Mounting needs root: developers without it skip nothing else, and CI has to have it.
const mayMount = process.getuid?.() === 0 || process.env['CI'] === 'true';

test.runIf(mayMount)('a full disk is told', async () => {
  const directory = path.join(folder, 'full');
  await mkdir(directory);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=20', 'tmpfs', directory]);
  try {
    const large = tarOf({ name: 'large', content: Buffer.alloc(2_000_000) });
    const many = tarOf(...Array.from({ length: 30 }, (_, number) => ({ name: `file-${number}` })));
    for (const tarball of [large, many]) {
      const unpacking = pipeline(
        Readable.from(inPieces(tarball, 65_536)),
        unpackTar({ directory, maxEntries: 1000 }),
      );
      await expect(unpacking).rejects.toMatchObject({ failure: { reason: 'DiskFull' } });
      await rm(path.join(directory, 'large'), { force: true });
    }
  } finally {
    execFileSync('umount', [directory]);
  }
});

/** By `git archive`: names of all bytes and lengths, links, an executable, an empty directory. */
async function archiveOddCommit(): Promise<Buffer> {
  const work = path.join(folder, 'work');
  const git = (...words: string[]): Buffer =>
    execFileSync('git', ['-C', work, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...words]);
  const deep = path.join(work, ...Array.from({ length: 6 }, () => 'folder'.repeat(10)));
  await mkdir(deep, { recursive: true });
  git('init', '--quiet');
  await writeFile(path.join(work, 'run'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(path.join(work, 'empty'), '');
  await writeFile(path.join(work, 'exactly-a-block'), 'x'.repeat(512));
  await writeFile(path.join(work, 'blank and \n newline'), 'odd');
  await writeFile(path.join(deep, 'long'.repeat(50)), 'deep');
  const latin1 = Buffer.concat([Buffer.from(`${work}/`), Buffer.from('Größe', 'latin1')]);
  await writeFile(latin1, 'not UTF-8');
  await symlink('/etc/hostname', path.join(work, 'absolute link'));
  await symlink('long/'.repeat(40), path.join(work, 'long link'));
  git('add', '.');
  const submodule = `160000,${'a'.repeat(40)},submodule`;
  git('update-index', '--add', '--cacheinfo', submodule);
  git('commit', '--quiet', '--message=odd');
  return git('archive', '--format=tar', 'HEAD');
}

/** Path, type, mode, time, size and target of all, in bytes that may be anything. */
function listTree(directory: string): string {
  const format = String.raw`%P %l %y %m %T@ %s\0`;
  const options = ['-mindepth', '1', '(', '-type', 'd', '-printf', String.raw`%P %y %m %T@\0`];
  const found = execFileSync('find', [directory, ...options, '-o', '-printf', format, ')']);
  return found.toString('latin1').split('\0').toSorted().join('\n');
}

function changedTarball(
  tarball: Buffer,
  places: readonly { at: number; byte: number; sound: boolean }[],
): Buffer {
  const changed = Buffer.from(tarball);
  for (const { at, byte, sound } of places) {
    changed[at] = byte;
    // So that what it says is believed.
    const start = at - (at % 512);
    if (sound) correctSum(changed.subarray(start, start + 512));
  }
  return changed;
}

async function removeUnpacked(): Promise<void> {
  await rm(path.join(folder, `unpacked-${unpacked}`), { recursive: true, force: true });
}

function* inPieces(bytes: Buffer, sizeBytes: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += sizeBytes) {
    yield bytes.subarray(start, start + sizeBytes);
  }
}
