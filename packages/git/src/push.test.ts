import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkTree, runGitClient, startGitClient } from '../../../test/parts/git-client.ts';
import type { WorkTree } from '../../../test/parts/git-client.ts';
import { allow, moveRefs, startGitService } from '../test/start-git-service.ts';
import type { GitService } from '../test/start-git-service.ts';

import { zeroSha } from './index.ts';

let service: GitService;
let folder: string;
let work: WorkTree;

beforeEach(async () => {
  service = await startGitService();
  folder = await mkdtemp(join(tmpdir(), 'hephy-push-'));
  work = await createWorkTree(join(folder, 'shop'));
  await work.git('remote', 'add', 'deis', service.url('shop'));
});

afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

const push = (...args: string[]) => runGitClient(['push', 'deis', ...args], { cwd: work.path });

test('a push to the deploy branch is answered by the handler, which moves the ref', async () => {
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  const result = await push('main');
  expect(result.stderr).toContain('* [new branch]      main -> main');
  expect(result.exitCode).toBe(0);
  expect(await service.repositories.readRef('id-shop', 'refs/heads/main')).toBe(sha);
});

test('git leaves it to the handler to see that a branch moved after the client looked', async () => {
  const first = await work.commit({ Dockerfile: 'FROM scratch\n' });
  await push('main');
  await work.git('push', '--quiet', 'deis', 'main:other');
  const second = await work.commit({ Dockerfile: 'FROM scratch\n#\n' });
  await work.git('push', '--quiet', 'deis', 'main:other');
  const third = await work.commit({ Dockerfile: 'FROM scratch\n##\n' });
  const move = { ref: 'refs/heads/main', oldSha: first, newSha: second };
  const seen: unknown[] = [];
  service.handlers.checkCommands = async () => {
    await service.repositories.updateRef('id-shop', move);
    return undefined;
  };
  service.handlers.procReceive = async ({ commands }) => {
    seen.push(...commands);
    return commands.map(({ ref }) => ({ ref, ok: false, reason: 'moved' }));
  };
  await push('main');
  expect(seen).toEqual([{ ref: 'refs/heads/main', oldSha: first, newSha: third }]);
});

test('a failed build is named in the rejected line, and the ref stays', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  service.handlers.procReceive = async ({ commands, write }) => {
    await write('-----> building ✓ héllo');
    return commands.map(({ ref }) => ({
      ref,
      ok: false,
      reason: 'build failed: linux/arm64 exited 1 (build 42)',
    }));
  };
  const result = await push('main');
  expect(result).toEqual({
    exitCode: 1,
    stdout: '',
    stderr: [
      'remote: -----> building ✓ héllo',
      `To ${service.url('shop')}`,
      ' ! [remote rejected] main -> main (build failed: linux/arm64 exited 1 (build 42))',
      `error: failed to push some refs to '${service.url('shop')}'`,
      '',
    ].join('\n'),
  });
  expect(await service.repositories.readRef('id-shop', 'refs/heads/main')).toBeUndefined();
  service.handlers.procReceive = (again) => moveRefs(service.repositories, again);
  expect((await push('main')).exitCode).toBe(0);
});

test('a line that the build writes is at the client before the build ends', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const release = Promise.withResolvers<void>();
  service.handlers.procReceive = async ({ commands, write }) => {
    await write('first line');
    await release.promise;
    return commands.map(({ ref }) => ({ ref, ok: false, reason: 'enough' }));
  };
  const client = startGitClient(['push', 'deis', 'main'], { cwd: work.path });
  await client.seen('remote: first line');
  release.resolve();
  expect((await client.result).exitCode).toBe(1);
});

test('a refusal in pre-receive shows its lines and leaves nothing', async () => {
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  const seen: unknown[] = [];
  service.handlers.preReceive = async ({ appId, context, commands, quarantine }) => {
    const missing = await service.repositories.readBlob(appId, {
      sha: commands[0]?.newSha ?? '',
      path: 'Dockerfile',
      maxBytes: 100,
      ...(quarantine ? { quarantine } : {}),
    });
    seen.push({ appId, context, commands, file: missing.kind });
    return { accept: false, lines: ['no Dockerfile here;', 'add one and push again'] };
  };
  const result = await push('main');
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toBe(
    [
      'remote: no Dockerfile here;',
      'remote: add one and push again',
      `To ${service.url('shop')}`,
      ' ! [remote rejected] main -> main (pre-receive hook declined)',
      `error: failed to push some refs to '${service.url('shop')}'`,
      '',
    ].join('\n'),
  );
  const command = { oldSha: zeroSha, newSha: sha, ref: 'refs/heads/main' };
  expect(seen).toEqual([
    { appId: 'id-shop', context: { user: 'ada' }, commands: [command], file: 'blob' },
  ]);
  const objects = join(service.repositories.pathOf('id-shop'), 'objects');
  expect((await readdir(objects)).toSorted()).toEqual(['info', 'pack']);
});

test('notes of an accepted push are shown, and another branch is stored without a build', async () => {
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  service.handlers.preReceive = () =>
    Promise.resolve({ accept: true, notes: ['only main is built'] });
  service.handlers.procReceive = () => Promise.reject(new Error('no build was asked for'));
  const result = await push('main:feature/v200-rc');
  expect(result.stderr).toContain('remote: only main is built');
  expect(result.exitCode).toBe(0);
  expect(await service.repositories.readRef('id-shop', 'refs/heads/feature/v200-rc')).toBe(sha);
});

test('push options reach both hooks', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const seen: (readonly string[])[] = [];
  service.handlers.preReceive = ({ pushOptions }) => {
    seen.push(pushOptions);
    return Promise.resolve({ accept: true });
  };
  service.handlers.procReceive = (build) => {
    seen.push(build.pushOptions);
    return moveRefs(service.repositories, build);
  };
  const result = await push('-o', 'platform=linux/arm64', '-o', 'note=héllo "$(id)"', 'main');
  expect(result.exitCode).toBe(0);
  const options = ['platform=linux/arm64', 'note=héllo "$(id)"'];
  expect(seen).toEqual([options, options]);
});

test('a push of more than 1 MiB comes in chunks, after a probe', async () => {
  const sha = await work.commit({ big: randomBytes(3 * 1024 * 1024) });
  const result = await push('main');
  expect(result.stderr).toContain('* [new branch]      main -> main');
  expect(await service.repositories.readRef('id-shop', 'refs/heads/main')).toBe(sha);
});

test('a shallow clone can push, again after a failed build too, and deeper ones after it', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' }, 'one');
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n#\n' }, 'two');
  const shallow = join(folder, 'shallow');
  await work.git('clone', '--quiet', '--depth=1', `file://${work.path}`, shallow);
  const pushShallow = () => runGitClient(['push', service.url('shop'), 'main'], { cwd: shallow });
  const roots = join(service.repositories.pathOf('id-shop'), 'shallow');

  service.handlers.procReceive = ({ commands }) =>
    Promise.resolve(commands.map(({ ref }) => ({ ref, ok: false, reason: 'build failed' })));
  expect((await pushShallow()).stderr).toContain('(build failed)');
  expect(existsSync(roots)).toBe(false);

  delete service.handlers.procReceive;
  expect(await pushShallow()).toMatchObject({ exitCode: 0 });
  expect(await readFile(roots, 'utf8')).toBe(`${sha}\n`);

  const next = await work.commit({ Dockerfile: 'FROM scratch\n##\n' }, 'three');
  expect((await push('main')).exitCode).toBe(0);
  const clone = join(folder, 'clone');
  await work.git('clone', '--quiet', service.url('shop'), clone);
  const history = await runGitClient(['rev-list', 'HEAD'], { cwd: clone });
  expect(history.stdout).toBe(`${next}\n${sha}\n`);
});

test('a shallow push does not cut off the history that the repository has', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' }, 'one');
  await work.commit({ Dockerfile: 'FROM scratch\n#\n' }, 'two');
  await push('main');
  const shallow = join(folder, 'shallow');
  await work.git('clone', '--quiet', '--depth=1', `file://${work.path}`, shallow);
  await runGitClient(['commit', '--allow-empty', '-m', 'three'], { cwd: shallow });
  const result = await runGitClient(['push', service.url('shop'), 'main'], { cwd: shallow });
  expect(result.exitCode).toBe(0);
  const clone = join(folder, 'clone');
  await work.git('clone', '--quiet', service.url('shop'), clone);
  const history = await runGitClient(['rev-list', '--count', 'HEAD'], { cwd: clone });
  expect(history.stdout).toBe('3\n');
});

test('a tag is stored, an own reason refuses one ref and the other goes through', async () => {
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  await work.git('tag', 'v1.0');
  service.handlers.procReceive = ({ commands }) =>
    Promise.resolve(commands.map(({ ref }) => ({ ref, ok: false, reason: 'nö' })));
  const result = await push('main', 'v1.0');
  expect(result.stderr).toContain(' * [new tag]         v1.0 -> v1.0');
  expect(result.stderr).toContain(' ! [remote rejected] main -> main (nö)');
  expect(result.exitCode).toBe(1);
  expect(await service.repositories.readRef('id-shop', 'refs/tags/v1.0')).toBe(sha);
});

test('deletions reach the handlers, and what they answer the client', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  await push('main', 'main:other');
  service.handlers.procReceive = ({ commands }) =>
    Promise.resolve(commands.map(({ ref }) => ({ ref, ok: false, reason: 'deletion prohibited' })));
  const result = await push('--delete', 'main', 'other');
  expect(result.stderr).toContain(' - [deleted]         other');
  expect(result.stderr).toContain(' ! [remote rejected] main (deletion prohibited)');
  expect(await service.repositories.readRef('id-shop', 'refs/heads/main')).toBeDefined();
  expect(await service.repositories.readRef('id-shop', 'refs/heads/other')).toBeUndefined();
});

test('a forced push names the old and the new commit', async () => {
  const first = await work.commit({ Dockerfile: 'FROM scratch\n' });
  await push('main');
  await work.git('commit', '--amend', '--quiet', '-m', 'again');
  expect((await push('main')).stderr).toContain('(non-fast-forward)');
  const second = await work.git('rev-parse', 'HEAD');
  const moved: unknown[] = [];
  service.handlers.procReceive = (build) => {
    moved.push(...build.commands);
    return moveRefs(service.repositories, build);
  };
  expect((await push('--force', 'main')).exitCode).toBe(0);
  expect(moved).toEqual([{ ref: 'refs/heads/main', oldSha: first, newSha: second }]);
  expect((await push('main')).stderr).toBe('Everything up-to-date\n');
});

test('a branch below an existing one is refused when its ref is moved', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  await push('main:refs/heads/main');
  service.handlers.authorize = () => allow('shop', { deployRefs: ['refs/heads/main/x'] });
  const result = await push('main:refs/heads/main/x');
  expect(result.stderr).toContain('! [remote rejected] main -> main/x');
  expect(result.stderr).toContain("'refs/heads/main' exists");
  expect(result.exitCode).toBe(1);
});

test('a handler that fails is an answer: the push is refused, and the service goes on', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  service.handlers.procReceive = () => Promise.reject(new Error('secret detail'));
  const failed = await push('main');
  expect(failed.stderr).toContain('(the build service failed; push again later)');
  expect(failed.stderr).not.toContain('secret');
  service.handlers.preReceive = () => Promise.reject(new Error('secret detail'));
  const refused = await push('main');
  expect(refused.stderr).toContain('remote: the build service failed; its log says why');
  expect(refused.stderr).toContain('(pre-receive hook declined)');
  expect(service.logged.map(({ message }) => message)).toEqual([
    'a push to a deploy branch failed',
    'a hook could not be answered',
  ]);
  delete service.handlers.preReceive;
  delete service.handlers.procReceive;
  expect((await push('main')).exitCode).toBe(0);
});

test('commands can be refused before the pack is taken', async () => {
  await work.commit({ big: randomBytes(2 * 1024 * 1024) });
  service.handlers.checkCommands = ({ commands }) =>
    Promise.resolve({
      lines: ['this app builds from main alone;', 'git push deis work:main'],
      reasons: new Map(commands.slice(0, 1).map(({ ref }) => [ref, 'not the deploy branch'])),
    });
  const result = await push('main:work', 'main:more');
  expect(result.exitCode).toBe(1);
  expect(result.stderr.split('\n').slice(0, 5)).toEqual([
    'remote: this app builds from main alone;',
    'remote: git push deis work:main',
    `To ${service.url('shop')}`,
    ' ! [remote rejected] main -> work (not the deploy branch)',
    ' ! [remote rejected] main -> more (another ref of this push was refused)',
  ]);
});

test('refs that are neither branches nor tags are refused at once', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const result = await push('main:refs/for/main');
  expect(result.stderr).toContain('(only branches and tags can be pushed)');
  expect(result.exitCode).toBe(1);
});

test('a second push while one is under way is refused, whenever it comes', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const release = Promise.withResolvers<void>();
  service.handlers.procReceive = async (build) => {
    await build.write('building');
    await release.promise;
    return moveRefs(service.repositories, build);
  };
  const first = startGitClient(['push', 'deis', 'main'], { cwd: work.path });
  await first.seen('remote: building');
  const late = await push('main:other');
  expect(late.stderr).toContain('remote: Another git push is ongoing');
  expect(late.stderr).toContain('! [remote rejected] main -> other (Another git push is ongoing)');
  service.handlers.authorize = () => ({ ok: false, error: 'Another git push is ongoing' });
  expect(await push('main:other')).toEqual({
    exitCode: 128,
    stdout: '',
    stderr: 'fatal: remote error: Another git push is ongoing\n',
  });
  release.resolve();
  expect((await first.result).exitCode).toBe(0);
});

test('a silent build keeps the connection alive', async () => {
  const lively = await startGitService({ keepAliveSeconds: 1 });
  try {
    await work.commit({ Dockerfile: 'FROM scratch\n' });
    const release = Promise.withResolvers<void>();
    lively.handlers.procReceive = async (build) => {
      await release.promise;
      return moveRefs(lively.repositories, build);
    };
    const client = startGitClient(['push', lively.url('shop'), 'main'], {
      cwd: work.path,
      environment: { GIT_TRACE_PACKET: '1' },
    });
    // An empty packet on band 1: what git sends after a second of silence.
    await client.seen('sideband< \\1\n');
    release.resolve();
    expect((await client.result).exitCode).toBe(0);
  } finally {
    await lively.close();
  }
});

test('a clone gives what was pushed, also with many refs in its request', async () => {
  const sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  await push('main');
  for (let index = 0; index < 30; index += 1) await work.commit({ n: `${index}` }, `n${index}`);
  const clone = join(folder, 'clone');
  await work.git('clone', '--quiet', service.url('shop'), clone);
  const head = await runGitClient(['rev-parse', 'HEAD'], { cwd: clone });
  expect(head.stdout).toBe(`${sha}\n`);
  await push('main');
  await runGitClient(['commit', '--allow-empty', '-m', 'mine'], { cwd: clone });
  const fetched = await runGitClient(['fetch', 'origin'], { cwd: clone });
  expect(fetched.stderr).toMatch(/main +-> origin\/main/);
});
