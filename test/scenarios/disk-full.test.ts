/** No space is left on one of the service's disks: a sentence for the pusher, nothing left behind, and it goes on. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import {
  runGitClient,
  startGitClient,
  type GitClientResult,
  type WorkTree,
} from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';

let hephy: Hephy;
let gate: Gate;
beforeAll(async () => {
  const smallDisks = { sources: 8, builders: 48, 'git/repositories': 16, database: 160 };
  [hephy, gate] = await Promise.all([startHephy({ smallDisks }), startGate()]);
});
afterAll(() => Promise.all([hephy?.close(), gate?.close()]));
showLogOnFailure(() => hephy);

const amd64 = { platforms: ['linux/amd64'] };
const push = ({ path }: WorkTree): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main'], { cwd: path });
const small = { Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' };

/** The commit before was never accepted: its files are forgotten too. */
async function startOver(
  tree: WorkTree,
  files: Record<string, string | Uint8Array>,
): Promise<void> {
  await tree.git('update-ref', '-d', 'HEAD');
  await tree.git('rm', '-rqf', '.');
  await tree.commit(files);
}

/** Leaves not a byte on the disk; answers how to free it. */
async function fillDisk(part: 'builders' | 'database'): Promise<() => Promise<void>> {
  const ballast = hephy.inside(`${part}/.ballast`);
  await expect(writeFile(ballast, Buffer.alloc(192 * 1024 ** 2))).rejects.toThrow('ENOSPC');
  return () => rm(ballast);
}
const buildersGone = (): Promise<boolean> =>
  until('an empty builders folder', async () =>
    (await readdir(hephy.inside('builders'))).every((name) => name.startsWith('.')),
  );

test('no space for the source: the push is refused, and a smaller one works', async () => {
  const app = await hephy.createApp('source', amd64);
  await app.commit({ ...small, zeros: Buffer.alloc(12 * 1024 ** 2) });
  const full = await push(app);
  expect(full.stderr).toMatch(/! \[remote rejected\] main -> main \(no space left: .*sources\)/);
  expect(full.exitCode).toBe(1);
  expect(await hephy.builds('source')).toEqual([]);
  expect(await readdir(hephy.inside('sources/incoming'))).toEqual([]);
  await startOver(app, small);
  expect(await push(app)).toMatchObject({ exitCode: 0 });
});

test('no space for the pushed objects: the push is refused, nothing of it stays, and a smaller one works', async () => {
  const app = await hephy.createApp('objects', amd64);
  await app.commit({ ...small, noise: randomBytes(24 * 1024 ** 2) });
  const full = await push(app);
  expect(full.stderr).toMatch(/No space left on device/);
  expect(full.stderr).toContain('! [remote rejected] main -> main');
  expect(full.exitCode).toBe(1);
  const names = await readdir(hephy.inside('git/repositories'), { recursive: true });
  expect(names.filter((name) => /tmp_objdir|incoming-/.test(name))).toEqual([]);
  await startOver(app, small);
  expect(await push(app)).toMatchObject({ exitCode: 0 });
});

test('no space for the build: it fails as such, its folder goes, and it works once space is freed', async () => {
  const app = await hephy.createApp('building', amd64);
  await app.commit({ ...small, zeros: Buffer.alloc(2 * 1024 ** 2) });
  const freeDisk = await fillDisk('builders');
  const full = await push(app);
  expect(full.stderr).toMatch(
    /! \[remote rejected\] main -> main \(linux\/amd64 no space left: .*\(build 1\)\)/,
  );
  expect(full.exitCode).toBe(1);
  await buildersGone();
  await freeDisk();
  const again = await push(app);
  expect(again.stderr).toContain('-----> Build 2 succeeded');
  expect(again.exitCode).toBe(0);
});

test('a build can be canceled although the disk is full', async () => {
  const app = await hephy.createApp('canceled', amd64);
  const base = await hephy.baseImage();
  await app.commit({ Dockerfile: `FROM ${base}\n${gate.step('full')}\n` });
  const client = startGitClient(['push', 'deis', 'main'], { cwd: app.path });
  await gate.arrived('full');
  const freeDisk = await fillDisk('builders');
  const [build] = await hephy.builds('canceled');
  await hephy.call('POST', `/v1/builds/${build?.id}/cancel`, { reason: 'the disk is full' });
  expect((await client.result).stderr).toContain('(canceled: the disk is full (build 1))');
  await buildersGone();
  await freeDisk();
});

// Each step that is interrupted costs up to a lease.
const leasesMs = 180_000;

test(
  'no space for the record: the push waits, and goes through once space is freed',
  { timeout: leasesMs },
  async () => {
    const app = await hephy.createApp('record', amd64);
    const base = await hephy.baseImage();
    // More log than the database has room for in the files that it has already.
    const noise = 'head -c 4000000 /dev/urandom | base64';
    await app.commit({ Dockerfile: `FROM ${base}\nRUN ${noise}\n` });
    const freeDisk = await fillDisk('database');
    const client = startGitClient(['push', 'deis', 'main'], { cwd: app.path });
    await until('a write that found no space', async () =>
      (await readFile(hephy.logFile, 'utf8')).includes('No space left on device'),
    );
    await freeDisk();
    const { stderr, exitCode } = await client.result;
    expect(stderr).toContain('-----> Build 1 succeeded');
    expect(exitCode).toBe(0);
  },
);
