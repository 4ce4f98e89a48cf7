import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkTree, gitOutput, runGitClient } from '../../../test/parts/git-client.ts';
import type { WorkTree } from '../../../test/parts/git-client.ts';
import { assertGitVersion, createRepositories, gitEnvironment, zeroSha } from './index.ts';
import type { Repositories } from './index.ts';

const settings = { deployRefs: ['refs/heads/main'], maxInputBytes: 1_000_000 };
const environment = gitEnvironment({ path: process.env['PATH'] ?? '/usr/bin:/bin' });
const main = 'refs/heads/main';

let folder: string;
let repositories: Repositories;
let work: WorkTree;
let first: string;
let second: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-repositories-'));
  repositories = createRepositories({
    root: join(folder, 'root'),
    hooksPath: join(folder, 'hooks with "quotes"'),
    environment,
  });
  work = await createWorkTree(join(folder, 'work'));
  first = await work.commit({ Dockerfile: 'FROM scratch\n', 'a/deep/file': 'x' });
  await symlink('/etc/passwd', join(work.path, 'link'));
  second = await work.commit({ big: 'y'.repeat(5000) });
  const path = await repositories.ensure('one', settings);
  await work.git('push', '--quiet', path, 'HEAD:refs/heads/stored');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('ensure', () => {
  test('makes a repository once, however many ask for it, and no other folder', async () => {
    const paths = await Promise.all(
      Array.from({ length: 8 }, () => repositories.ensure('many', settings)),
    );
    expect(new Set(paths)).toEqual(new Set([repositories.pathOf('many')]));
    expect((await readdir(join(folder, 'root'))).filter((name) => name.startsWith('new-'))).toEqual(
      [],
    );
  });

  test('git reads back the configuration, and a change of it is written', async () => {
    const path = await repositories.ensure('config', settings);
    const read = (key: string) =>
      gitOutput(['config', '--file', join(path, 'config'), '--get-all', key], { cwd: folder });
    expect(await read('core.hooksPath')).toBe(join(folder, 'hooks with "quotes"'));
    expect(await read('receive.fsckObjects')).toBe('true');
    expect(await read('transfer.hideRefs')).toBe('refs/\n!refs/heads/\n!refs/tags/');
    await writeFile(join(path, 'config'), '[core]\n\thooksPath = /evil\n');
    const deployRefs = [main, 'refs/heads/master'];
    await repositories.ensure('config', { deployRefs, maxInputBytes: 5 });
    expect(await read('core.hooksPath')).toBe(join(folder, 'hooks with "quotes"'));
    expect(await read('receive.procReceiveRefs')).toBe(deployRefs.join('\n'));
    expect(await read('receive.maxInputSize')).toBe('5');
  });

  test.each(['', '../x', 'a/b', '.', 'a.git', 'x'.repeat(65)])('"%s" is no id', (id) => {
    expect(() => repositories.pathOf(id)).toThrow('unexpected form');
  });
});

describe('updateRef', () => {
  test('moves a ref from where it is said to be, and may be repeated', async () => {
    const move = { ref: main, oldSha: zeroSha, newSha: first };
    expect(await repositories.updateRef('one', move)).toEqual({ ok: true });
    expect(await repositories.updateRef('one', move)).toEqual({ ok: true });
    expect(await repositories.readRef('one', main)).toBe(first);
  });

  test('says where a ref is that moved meanwhile', async () => {
    const move = { ref: main, oldSha: second, newSha: zeroSha };
    expect(await repositories.updateRef('one', move)).toMatchObject({
      ok: false,
      failure: { reason: 'RefConflict', currentSha: first },
    });
    const below = { ref: `${main}/x`, oldSha: zeroSha, newSha: first };
    expect(await repositories.updateRef('one', below)).toMatchObject({
      ok: false,
      failure: { currentSha: undefined, message: expect.stringContaining(`'${main}' exists`) },
    });
  });

  test('a ref that cannot be written now is no conflict: the move may be tried again', async () => {
    const lock = join(repositories.pathOf('one'), `${main}.lock`);
    await writeFile(lock, '');
    const move = { ref: main, oldSha: first, newSha: second };
    await expect(repositories.updateRef('one', move)).rejects.toThrow('Unable to create');
    await rm(lock);
    expect(await repositories.updateRef('one', move)).toEqual({ ok: true });
    const back = { ref: main, oldSha: second, newSha: first };
    expect(await repositories.updateRef('one', back)).toEqual({ ok: true });
  });

  test('deletes, and what is gone already is fine', async () => {
    const move = { ref: main, oldSha: first, newSha: zeroSha };
    expect(await repositories.updateRef('one', move)).toEqual({ ok: true });
    expect(await repositories.updateRef('one', move)).toEqual({ ok: true });
    expect(await repositories.readRef('one', main)).toBeUndefined();
  });

  test.each(['--help', 'main', 'refs/heads/..'])('never takes "%s" for a ref', async (ref) => {
    await expect(repositories.readRef('one', ref)).rejects.toThrow('not a full ref name');
  });
});

describe('archive', () => {
  test('is the tar of the commit', async () => {
    const tar = await buffer(repositories.archive('one', second));
    await writeFile(join(folder, 'out.tar'), tar);
    const expected = await gitOutput(['archive', '--format=tar', second], { cwd: work.path });
    expect(tar.toString('utf8')).toBe(expected);
  });

  test('of a missing commit fails with git’s words', async () => {
    const missing = 'b'.repeat(40);
    await expect(buffer(repositories.archive('one', missing))).rejects.toThrow(
      /exited 128: .*bbbb/s,
    );
  });

  test('stops when it is aborted, and when its reader goes', async () => {
    const controller = new AbortController();
    const aborted = repositories.archive('one', second, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(buffer(aborted)).rejects.toThrow('git archive was stopped');
    for await (const chunk of repositories.archive('one', second)) {
      expect(chunk).toBeInstanceOf(Buffer);
      break;
    }
  });
});

const read = (path: string) => repositories.readBlob('one', { sha: second, path, maxBytes: 1000 });

describe('readBlob', () => {
  test('reads a file', async () => {
    expect(await read('Dockerfile')).toEqual({
      kind: 'blob',
      bytes: Buffer.from('FROM scratch\n'),
    });
    expect(await read('a/deep/file')).toEqual({ kind: 'blob', bytes: Buffer.from('x') });
  });

  test('tells what is not a file that may be read', async () => {
    expect(await read('nothing')).toEqual({ kind: 'missing' });
    expect(await read('Docker*')).toEqual({ kind: 'missing' });
    expect(await read('a/')).toEqual({ kind: 'missing' });
    expect(await read('a/deep')).toEqual({ kind: 'not-a-file' });
    expect(await read('link')).toEqual({ kind: 'not-a-file' });
    expect(await read('big')).toEqual({ kind: 'too-large', sizeBytes: 5000 });
  });
});

describe('listTreeProblems', () => {
  test('finds submodules, control characters, long paths and too many files', async () => {
    const tree = await createWorkTree(join(folder, 'odd'));
    await tree.commit({ 'bad\nname': 'x', fine: 'x', [`${'d/'.repeat(100)}f`]: 'x' });
    const head = await tree.git('rev-parse', 'HEAD');
    await tree.git('update-index', '--add', '--cacheinfo', `160000,${head},vendor/lib`);
    await tree.git('commit', '--quiet', '-m', 'submodule');
    const sha = await tree.git('rev-parse', 'HEAD');
    const path = await repositories.ensure('odd', settings);
    await tree.git('push', '--quiet', path, 'HEAD:refs/heads/odd');
    const limits = { maxPathBytes: 100 };
    expect(await repositories.listTreeProblems('odd', { sha }, limits)).toEqual([
      { kind: 'unsafe-path', path: 'bad?name' },
      { kind: 'path-too-long', path: `${'d/'.repeat(100)}f`.slice(0, 200) },
      { kind: 'submodule', path: 'vendor/lib' },
    ]);
    expect(await repositories.listTreeProblems('odd', { sha }, { maxFiles: 1 })).toEqual([
      { kind: 'unsafe-path', path: 'bad?name' },
      { kind: 'too-many-files', path: expect.any(String) },
    ]);
    expect(await repositories.listTreeProblems('one', { sha: second })).toEqual([]);
  });
});

describe('maintenance', () => {
  test('removes old leftovers of pushes, and only those', async () => {
    const objects = join(await repositories.ensure('stale', settings), 'objects');
    for (const name of ['tmp_objdir-incoming-old', 'tmp_objdir-incoming-new', 'incoming-older']) {
      await mkdir(join(objects, name));
    }
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(objects, 'tmp_objdir-incoming-old'), longAgo, longAgo);
    await utimes(join(objects, 'incoming-older'), longAgo, longAgo);
    const removed = await repositories.removeStaleQuarantine('stale', 60_000);
    expect(removed.toSorted()).toEqual(['incoming-older', 'tmp_objdir-incoming-old']);
    expect((await readdir(objects)).toSorted()).toEqual([
      'info',
      'pack',
      'tmp_objdir-incoming-new',
    ]);
  });

  test('prune removes what many failed builds left in packs', async () => {
    const path = await repositories.ensure('packs', settings);
    const packs = async () =>
      (await readdir(join(path, 'objects', 'pack'))).filter((name) => name.endsWith('.pack'));
    const longAgo = new Date(Date.now() - 3_600_000);
    for (let build = 0; build < 22; build += 1) {
      const { stdout } = await runGitClient(['hash-object', '-w', '--stdin'], {
        cwd: path,
        input: `of build ${build}`,
      });
      const packing = ['pack-objects', '--quiet', join(path, 'objects', 'pack', 'pack')];
      await runGitClient(packing, { cwd: path, input: stdout });
      await runGitClient(['prune-packed'], { cwd: path });
    }
    for (const name of await readdir(join(path, 'objects', 'pack')))
      await utimes(join(path, 'objects', 'pack', name), longAgo, longAgo);
    expect(await packs()).toHaveLength(22);
    await repositories.prune('packs', 60_000);
    expect(await packs()).toEqual([]);
  });

  test('prune keeps what a ref reaches', async () => {
    await repositories.prune('one', 0);
    expect((await buffer(repositories.archive('one', second))).length).toBeGreaterThan(5000);
  });
});

test('git’s version is read, and the environment is ours alone', async () => {
  expect(await assertGitVersion(environment)).toMatch(/^\d+\.\d+/);
  expect(Object.keys(environment).toSorted()).toEqual([
    'GIT_CONFIG_GLOBAL',
    'GIT_CONFIG_NOSYSTEM',
    'GIT_TERMINAL_PROMPT',
    'HOME',
    'LC_ALL',
    'PATH',
  ]);
});

test('a git that is too old is refused by name', async () => {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const [version, isOld] of [
    ['2.39.0', true],
    ['2.39.1', false],
    ['2.40', false],
    ['1.9.9', true],
  ]) {
    await writeFile(join(bin, 'git'), `#!/bin/sh\necho git version ${version}\n`, { mode: 0o755 });
    const outcome = await assertGitVersion(gitEnvironment({ path: bin })).then(
      () => false,
      (error: Error) => error.message.includes(`${version} was found`),
    );
    expect({ version, isOld: outcome }).toEqual({ version, isOld });
  }
});
