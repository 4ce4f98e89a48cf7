/** A pusher who leaves with Ctrl-C, whoever else ends a build, and what is left of it: nothing. */
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy } from '../parts/fault-proxy.ts';
import { startGate, type Gate } from '../parts/gate.ts';
import {
  runGitClient,
  startGitClient,
  type GitClientResult,
  type WorkTree,
} from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { startRegistry, type TestRegistry } from '../parts/registry.ts';
import { startStallingProxy } from '../parts/stalling-proxy.ts';
import { until } from '../parts/until.ts';

let hephy: Hephy;
let gate: Gate;
let registry: TestRegistry;
let proxy: FaultProxy;
let base: string;
beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  const environment = {
    HEPHY_REGISTRY: proxy.host,
    HEPHY_REGISTRY_PLAIN_HTTP: 'true',
    HEPHY_WORKER_CONCURRENCY: '1',
  };
  [hephy, gate] = await Promise.all([startHephy({ environment }), startGate()]);
  base = await hephy.baseImage();
});
afterAll(async () => {
  await Promise.all([hephy?.close(), gate?.close()]);
  await Promise.all([proxy?.stop(), registry?.stop()]);
});
showLogOnFailure(() => hephy);

const amd64 = { platforms: ['linux/amd64'] };
const startPush = ({ path }: WorkTree) => startGitClient(['push', 'deis', 'main'], { cwd: path });
const push = ({ path }: WorkTree, ...args: string[]): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main', ...args], { cwd: path });
const waitsAt = (door: string): Record<string, string> => ({
  Dockerfile: `FROM ${base}\n${gate.step(door)}\n`,
});

const buildersGone = (): Promise<unknown> =>
  until('the end of all builders', async () => {
    const left = await readdir(join(hephy.data, 'builders')).catch(() => []);
    return left.every((name) => name.startsWith('.')) && (await builderProcesses()).length === 0;
  });
const builderProcesses = async () =>
  (await hephy.children()).filter(({ command }) => command.includes('/builders/'));

async function pushesAgain(tree: WorkTree): Promise<void> {
  await tree.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: randomBytes(8).toString('hex') });
  expect(await push(tree)).toMatchObject({ exitCode: 0 });
}

test('who leaves in the upload leaves nothing, and can push at once', async () => {
  const app = await hephy.createApp('upload', amd64);
  await app.commit({
    Dockerfile: 'FROM scratch\nCOPY a /\n',
    a: 'a',
    blob: randomBytes(3 * 1024 ** 2),
  });
  const slow = await startStallingProxy(new URL(hephy.gitUrl).host, 1024 ** 2);
  const client = startGitClient(['push', `http://${slow.host}/upload.git`, 'main'], {
    cwd: app.path,
    environment: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'http.extraHeader',
      GIT_CONFIG_VALUE_0: `Authorization: Bearer ${hephy.token}`,
    },
  });
  await slow.stalled;
  client.interrupt();
  await client.result;
  await pushesAgain(app);
  await slow.close();
  expect(await hephy.builds('upload')).toHaveLength(1);
  const names = await readdir(join(hephy.data, 'git', 'repositories'), { recursive: true });
  expect(names.filter((name) => /tmp_objdir|incoming-|tmp_pack/.test(name))).toEqual([]);
});

test('who leaves while the build waits or runs cancels it: its processes end, the ref stays, the next push works', async () => {
  const running = await hephy.createApp('running', amd64);
  await running.commit(waitsAt('running'));
  const first = startPush(running);
  await gate.arrived('running');
  const waiting = await hephy.createApp('waiting', amd64);
  await waiting.commit(waitsAt('waiting'));
  const second = startPush(waiting);
  await second.seen('Build 1 of waiting');

  second.interrupt();
  expect(await hephy.ended('waiting', 1)).toMatchObject({ state: 'canceled' });
  expect(gate.arrivals('waiting')).toBe(0);
  expect(await builderProcesses()).not.toEqual([]);
  first.interrupt();
  expect(await hephy.ended('running', 1)).toMatchObject({ state: 'canceled' });
  await buildersGone();
  for (const tree of [running, waiting]) {
    expect(await tree.git('ls-remote', 'deis')).toBe('');
    await pushesAgain(tree);
  }
});

test('who leaves while it is published stops nothing: the tag moves, and the ref follows', async () => {
  const app = await hephy.createApp('late', amd64);
  const sha = await app.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'late' });
  proxy.script({
    do: 'answer',
    status: 503,
    method: 'PUT',
    path: /\/late\/manifests\/latest/,
    times: 2,
  });
  const client = startPush(app);
  await client.seen('-----> Publishing');
  client.interrupt();
  await client.result;
  expect(await hephy.ended('late', 1)).toMatchObject({ state: 'succeeded' });
  await until('the ref', async () =>
    (await app.git('ls-remote', 'deis')).includes(`${sha}\trefs/heads/main`),
  );
  expect(await hephy.readTag('late', 'latest')).toBeDefined();
});

test('a build that somebody cancels ends within seconds, and the pusher is told who and that', async () => {
  const app = await hephy.createApp('unwanted', amd64);
  await app.commit(waitsAt('unwanted'));
  const client = startPush(app);
  await gate.arrived('unwanted');
  const [build] = await hephy.builds('unwanted');
  const asked = performance.now();
  const answer = await hephy.call('POST', `/v1/builds/${build?.id}/cancel`, {
    reason: 'wrong branch',
  });
  expect(answer.status).toBe(202);
  const { stderr, exitCode } = await client.result;
  const tookMs = performance.now() - asked;
  expect(stderr).toContain('-----> Canceling: wrong branch\n');
  expect(stderr).toContain('! [remote rejected] main -> main (canceled: wrong branch (build 1))\n');
  expect(exitCode).toBe(1);
  // Two seconds is the promise for a machine that has time.
  expect(tookMs).toBeLessThan(20_000);
  await buildersGone();
  const again = await hephy.call('POST', `/v1/builds/${build?.id}/cancel`, {});
  expect(again).toMatchObject({ status: 409, body: { code: 'BuildEnded' } });
  await pushesAgain(app);
});

test('a build that is longer than its time limit is ended', async () => {
  const app = await hephy.createApp('slow', { ...amd64, timeLimitSeconds: 10 });
  await app.commit(waitsAt('slow'));
  const { stderr, exitCode } = await push(app);
  expect(stderr).toMatch(
    /! \[remote rejected\] main -> main \(linux\/amd64 ran longer than its time limit.*\(build 1\)\)/,
  );
  expect(exitCode).toBe(1);
  expect(await hephy.ended('slow', 1)).toMatchObject({ failure: { reason: 'TimeLimitExceeded' } });
  await buildersGone();
});
