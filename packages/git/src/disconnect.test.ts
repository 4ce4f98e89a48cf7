import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkTree, runGitClient, startGitClient } from '../../../test/parts/git-client.ts';
import type { WorkTree } from '../../../test/parts/git-client.ts';
import { zeroSha } from './index.ts';
import { eventually } from '../test/eventually.ts';
import { startStallingProxy } from '../test/stalling-proxy.ts';
import { startGitService } from '../test/start-git-service.ts';
import type { GitService } from '../test/start-git-service.ts';

let service: GitService;
let folder: string;
let work: WorkTree;

beforeEach(async () => {
  service = await startGitService({ limits: { uploadIdleMs: 2000, silentMs: 3000 } });
  folder = await mkdtemp(join(tmpdir(), 'hephy-leave-'));
  work = await createWorkTree(join(folder, 'shop'));
});

afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

const push = (url: string) => startGitClient(['push', url, 'main'], { cwd: work.path });

async function quarantines(): Promise<string[]> {
  const objects = join(service.repositories.pathOf('id-shop'), 'objects');
  if (!existsSync(objects)) return [];
  return (await readdir(objects)).filter((name) => name.includes('incoming'));
}

/** This process's children and theirs, by command line. */
async function gitProcesses(parent = process.pid): Promise<{ pid: number; command: string }[]> {
  const list = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '');
  const found: { pid: number; command: string }[] = [];
  for (const pid of list.split(' ').filter(Boolean).map(Number)) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    found.push({ pid, command: command.replaceAll('\0', ' ') }, ...(await gitProcesses(pid)));
  }
  return found.filter((one) => !one.command.startsWith('git push'));
}

async function receivePack(): Promise<number> {
  const found = (await gitProcesses()).find(({ command }) => /^git(-| )receive-pack/.test(command));
  if (found === undefined) throw new Error('no git receive-pack is running');
  return found.pid;
}

async function expectAllGoneAndPushable(): Promise<void> {
  await eventually('the quarantine is gone', async () => (await quarantines()).length === 0);
  await eventually('git is gone', async () => {
    const running = await gitProcesses();
    return running.every(({ command }) => !/receive-pack|curl|index-pack|unpack/.test(command));
  });
  delete service.handlers.preReceive;
  delete service.handlers.procReceive;
  expect(await service.repositories.readRef('id-shop', 'refs/heads/main')).toBeUndefined();
  const again = await runGitClient(['push', service.url('shop'), 'main'], { cwd: work.path });
  expect(again.stderr).toContain('* [new branch]      main -> main');
}

test('Ctrl-C while the pack is on its way leaves nothing, and the next push works', async () => {
  await work.commit({ big: randomBytes(4 * 1024 * 1024) });
  const proxy = await startStallingProxy(service.port, { bytes: 2 * 1024 * 1024 });
  const client = push(`http://127.0.0.1:${proxy.port}/shop.git`);
  await proxy.stalled;
  await eventually('git has begun to receive', async () => (await quarantines()).length > 0);
  client.interrupt();
  expect((await client.result).exitCode).not.toBe(0);
  await expectAllGoneAndPushable();
  await proxy.close();
});

test('an upload that stands still is cut off, and the next push works', async () => {
  await work.commit({ big: randomBytes(4 * 1024 * 1024) });
  const proxy = await startStallingProxy(service.port, { bytes: 2 * 1024 * 1024 });
  const client = push(`http://127.0.0.1:${proxy.port}/shop.git`);
  expect((await client.result).exitCode).not.toBe(0);
  await expectAllGoneAndPushable();
  await proxy.close();
});

test('a client that stops reading is cut off, and the next push works', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const line = 'x'.repeat(60_000);
  const aborted = Promise.withResolvers<unknown>();
  const started = Promise.withResolvers<void>();
  service.handlers.procReceive = async ({ write, signal }) => {
    signal.addEventListener('abort', () => aborted.resolve(signal.reason));
    started.resolve();
    while (!signal.aborted) await write(line);
    return [];
  };
  const client = push(service.url('shop'));
  await started.promise;
  process.kill(-(client.child.pid ?? 0), 'SIGSTOP');
  expect(String(await aborted.promise)).toContain('the client left');
  process.kill(-(client.child.pid ?? 0), 'SIGKILL');
  await client.result;
  await expectAllGoneAndPushable();
});

test.each(['preReceive', 'procReceive'] as const)(
  'Ctrl-C while %s works aborts its signal, and the next push works',
  async (hook) => {
    await work.commit({ Dockerfile: 'FROM scratch\n' });
    const started = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<unknown>();
    service.handlers[hook] = ({ signal }: { signal: AbortSignal }) => {
      signal.addEventListener('abort', () => aborted.resolve(signal.reason));
      started.resolve();
      return Promise.withResolvers<never>().promise;
    };
    const client = push(service.url('shop'));
    await started.promise;
    client.interrupt();
    expect(String(await aborted.promise)).toContain('the client left');
    await client.result;
    await expectAllGoneAndPushable();
    expect(service.logged.filter(({ message }) => message.includes('failed'))).toEqual([]);
  },
);

test('a push right after Ctrl-C waits for the first one to end', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const started = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  service.handlers.procReceive = ({ signal }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    started.resolve();
    return Promise.withResolvers<never>().promise;
  };
  const client = push(service.url('shop'));
  await started.promise;
  client.interrupt();
  await aborted.promise;
  delete service.handlers.procReceive;
  const next = await runGitClient(['push', service.url('shop'), 'main'], { cwd: work.path });
  expect(next.stderr).toContain('* [new branch]      main -> main');
});

test('what a git that was killed leaves of a push is removed', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  service.handlers.preReceive = async () => {
    process.kill(await receivePack(), 'SIGKILL');
    return Promise.withResolvers<never>().promise;
  };
  const result = await push(service.url('shop')).result;
  expect(result.stderr).toContain('the git service could not take this push; push again');
  await expectAllGoneAndPushable();
});

test('a git that is killed in the middle of a build is an answer, and the build is aborted', async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const aborted = Promise.withResolvers<void>();
  service.handlers.procReceive = async ({ signal, write }) => {
    signal.addEventListener('abort', () => aborted.resolve());
    await write('building');
    process.kill(await receivePack(), 'SIGKILL');
    return Promise.withResolvers<never>().promise;
  };
  const result = await push(service.url('shop')).result;
  expect(result.exitCode).not.toBe(0);
  await aborted.promise;
  await expectAllGoneAndPushable();
});

test.each(['whose client left too late', 'that was told to look later'])(
  'a shallow push %s keeps its root, so that its ref can still move',
  async (how) => {
    await work.commit({ Dockerfile: 'FROM scratch\n' }, 'one');
    const sha = await work.commit({ Dockerfile: 'FROM scratch\n#\n' }, 'two');
    const shallow = join(folder, 'shallow');
    await work.git('clone', '--quiet', '--depth=1', `file://${work.path}`, shallow);
    const started = Promise.withResolvers<void>();
    const leaves = how === 'whose client left too late';
    service.handlers.procReceive = ({ commands }) => {
      started.resolve();
      if (leaves) return Promise.withResolvers<never>().promise;
      const later = { ok: false, later: true, reason: 'the service stops' } as const;
      return Promise.resolve(commands.map(({ ref }) => ({ ref, ...later })));
    };
    const client = startGitClient(['push', service.url('shop'), 'main'], { cwd: shallow });
    await started.promise;
    if (leaves) client.interrupt();
    expect((await client.result).exitCode).not.toBe(0);
    await eventually('git is gone', async () =>
      (await gitProcesses()).every(({ command }) => !/receive-pack|curl/.test(command)),
    );
    const move = { ref: 'refs/heads/main', oldSha: zeroSha, newSha: sha };
    expect(await service.repositories.updateRef('id-shop', move)).toEqual({ ok: true });
    const clone = join(folder, 'clone');
    await work.git('clone', '--quiet', service.url('shop'), clone);
    const history = await runGitClient(['rev-list', 'HEAD'], { cwd: clone });
    expect(history.stdout).toBe(`${sha}\n`);
  },
);

test("Ctrl-C at the service's terminal reaches no git: the service itself ends its pushes", async () => {
  await work.commit({ Dockerfile: 'FROM scratch\n' });
  const sessions: (string | undefined)[] = [];
  service.handlers.procReceive = async ({ commands }) => {
    const stat = await readFile(`/proc/${await receivePack()}/stat`, 'utf8');
    const own = await readFile('/proc/self/stat', 'utf8');
    for (const text of [stat, own]) sessions.push(text.slice(text.lastIndexOf(')')).split(' ')[4]);
    return commands.map(({ ref }) => ({ ref, ok: false, reason: 'seen' }));
  };
  await push(service.url('shop')).result;
  expect(sessions).toHaveLength(2);
  expect(sessions[0]).not.toBe(sessions[1]);
});

test('git and its hooks get a clean environment', async () => {
  process.env['HEPHY_TEST_SECRET'] = 'leaked';
  process.env['GIT_TRACE'] = '1';
  try {
    await work.commit({ Dockerfile: 'FROM scratch\n' });
    const environments: string[] = [];
    service.handlers.procReceive = async ({ commands }) => {
      for (const { pid } of await gitProcesses()) {
        environments.push(await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''));
      }
      return commands.map(({ ref }) => ({ ref, ok: false, reason: 'seen' }));
    };
    await push(service.url('shop')).result;
    const hooks = environments.filter((text) => text.includes('HEPHY_RECEIVE_ID='));
    expect(hooks.length).toBeGreaterThanOrEqual(3);
    for (const environment of hooks) {
      expect(environment).toContain('GIT_CONFIG_NOSYSTEM=1\0');
      expect(environment).toContain('HOME=/nonexistent\0');
      expect(environment).not.toMatch(/leaked|GIT_TRACE/);
    }
  } finally {
    delete process.env['HEPHY_TEST_SECRET'];
    delete process.env['GIT_TRACE'];
  }
});

test('a stranger cannot make us read gigabytes: the connection is cut after the answer', async () => {
  service.handlers.authorize = () => ({ ok: false, status: 401, message: 'who are you?' });
  const socket = connect(service.port, '127.0.0.1');
  const closed = Promise.withResolvers<void>();
  socket.on('close', () => closed.resolve());
  socket.on('error', () => socket.destroy());
  socket.write(
    'POST /shop.git/git-receive-pack HTTP/1.1\r\nHost: git\r\nContent-Length: 4000000000\r\n' +
      'Content-Type: application/x-git-receive-pack-request\r\n\r\n',
  );
  const piece = Buffer.alloc(256 * 1024);
  const send = (): void => {
    while (socket.writable && socket.write(piece));
  };
  socket.on('drain', send);
  send();
  await closed.promise;
  // What the kernel's buffers took on top of the one megabyte that is read.
  expect(socket.bytesWritten).toBeLessThan(64 * 1024 * 1024);
});
