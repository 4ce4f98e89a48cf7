import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  createWorkTree,
  runGitClient,
  startGitClient,
  type WorkTree,
} from '../../../test/parts/git-client.ts';
import { allow, moveRefs, startGitService, type GitService } from '../test/start-git-service.ts';

let service: GitService;
let folder: string;
let work: WorkTree;

beforeEach(async () => {
  service = await startGitService();
  service.handlers.authorize = ({ appName }) => allow(appName, { atOnce: 2 });
  folder = await mkdtemp(join(tmpdir(), 'hephy-at-once-'));
  work = await createWorkTree(join(folder, 'shop'));
});

afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

const push = (ref: string): string[] => ['push', service.url('shop'), ref];

/** Builds of `main` that say so, and end when they are told to. */
function heldBuilds(): { release: (succeeds: boolean) => void } {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  service.handlers.procReceive = async (build) => {
    await build.write('building');
    if (await promise) return moveRefs(service.repositories, build);
    return build.commands.map(({ ref }) => ({ ref, ok: false, reason: 'build failed' }));
  };
  return { release: resolve };
}

test('a push finds room beside one whose build runs, and a third one does not', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const { release } = heldBuilds();
  const first = startGitClient(push('main'), { cwd: work.path });
  await first.seen('remote: building');
  const stored = await runGitClient(push('main:other'), { cwd: work.path });
  expect(stored.exitCode).toBe(0);
  const second = startGitClient(push('main'), { cwd: work.path });
  await second.seen('remote: building');
  const third = await runGitClient(push('main:more'), { cwd: work.path });
  expect(third.stderr).toContain('(2 pushes of this app are under way; push again later)');
  release(true);
  expect((await first.result).exitCode).toBe(0);
  expect((await second.result).exitCode).toBe(0);
});

test.each([true, false])(
  'two pushes of one shallow clone share its roots, whichever ends first (the build succeeds: %s)',
  async (succeeds) => {
    await work.commit({ Dockerfile: 'FROM scratch\n' }, 'one');
    await work.commit({ Dockerfile: 'FROM scratch\n#\n' }, 'two');
    const shallow = join(folder, 'shallow');
    await work.git('clone', '--quiet', '--depth=1', `file://${work.path}`, shallow);
    const { release } = heldBuilds();
    const first = startGitClient(push('main'), { cwd: shallow });
    await first.seen('remote: building');
    service.handlers.preReceive = () => Promise.resolve({ accept: false, lines: ['no'] });
    expect((await runGitClient(push('main'), { cwd: shallow })).exitCode).toBe(1);
    release(succeeds);
    expect((await first.result).exitCode).toBe(succeeds ? 0 : 1);
    const bare = service.repositories.pathOf('id-shop');
    expect(existsSync(join(bare, 'shallow'))).toBe(succeeds);
    const checked = await runGitClient(['--git-dir', bare, 'fsck', '--connectivity-only'], {
      cwd: folder,
    });
    expect(checked).toMatchObject({ exitCode: 0 });
  },
);

test('a shallow clone does not cut off the history that a push whose build runs has brought', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' }, 'one');
  await work.commit({ Dockerfile: 'FROM scratch\n#\n' }, 'two');
  const shallow = join(folder, 'shallow');
  await work.git('clone', '--quiet', '--depth=1', `file://${work.path}`, shallow);
  const { release } = heldBuilds();
  const first = startGitClient(push('main'), { cwd: work.path });
  await first.seen('remote: building');
  const second = startGitClient(push('main'), { cwd: shallow });
  await second.seen('remote: building');
  release(true);
  expect((await first.result).exitCode).toBe(0);
  expect((await second.result).exitCode).toBe(0);
  const bare = service.repositories.pathOf('id-shop');
  const history = await runGitClient(['--git-dir', bare, 'rev-list', '--count', 'main'], {
    cwd: folder,
  });
  expect(history.stdout).toBe('2\n');
});

test('a branch that was elsewhere than the push believed is shown to have moved from there', async () => {
  const first = await work.commit({ Dockerfile: 'FROM scratch\n' });
  const second = await work.commit({ Dockerfile: 'FROM scratch\n#\n' });
  await runGitClient(['push', service.url('shop'), `${first}:refs/heads/main`, 'main:other'], {
    cwd: work.path,
  });
  const third = await work.commit({ Dockerfile: 'FROM scratch\n##\n' });
  service.handlers.procReceive = async ({ appId, commands }) => {
    const [command] = commands;
    if (!command) return [];
    const { ref, oldSha, newSha } = command;
    await service.repositories.updateRef(appId, { ref, oldSha, newSha: second });
    await service.repositories.updateRef(appId, { ref, oldSha: second, newSha });
    return [{ ref, ok: true, oldSha: second }];
  };
  const { stderr } = await runGitClient(['push', service.url('shop'), 'main'], { cwd: work.path });
  expect(stderr).toContain(`${second.slice(0, 7)}..${third.slice(0, 7)}  main -> main`);
});
