/** Redis and the service itself end in the middle of things; what was pushed comes to the same end, once. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy } from '../parts/fault-proxy.ts';
import { startGate, type Gate } from '../parts/gate.ts';
import { runGitClient, startGitClient, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { startRegistry, type TestRegistry } from '../parts/registry.ts';
import { processesWith, startServiceProcess } from '../parts/service-process.ts';
import { until } from '../parts/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../parts/webhook-receiver.ts';

let hephy: Hephy;
let gate: Gate;
let registry: TestRegistry;
let proxy: FaultProxy;
let hook: WebhookReceiver;
let base: string;
beforeAll(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy({ upstream: registry.host });
  const environment = { HEPHY_REGISTRY: proxy.host, HEPHY_REGISTRY_PLAIN_HTTP: 'true' };
  [hephy, gate, hook] = await Promise.all([
    startHephy({ environment }),
    startGate(),
    startWebhookReceiver(),
  ]);
  base = await hephy.baseImage();
});
afterAll(async () => {
  await Promise.all([hephy?.close(), gate?.close(), hook?.close()]);
  await Promise.all([proxy?.stop(), registry?.stop()]);
});
showLogOnFailure(() => hephy);

const startPush = ({ path }: WorkTree) => startGitClient(['push', 'deis', 'main'], { cwd: path });
const tiny = { Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' };
const waitsAt = (door: string): Record<string, string> => ({
  Dockerfile: `FROM ${base}\n${gate.step(door)}\n`,
});

async function makeApp(name: string, files: Record<string, string>, settings: object = {}) {
  const tree = await hephy.createApp(name, { platforms: ['linux/amd64'], ...settings });
  if ('hookUrl' in settings) await hephy.call('POST', `/v1/apps/${name}/hook-secret`);
  return { tree, sha: await tree.commit(files) };
}

const redisSocket = (): string => join(hephy.data, 'redis', 'socket');
async function redisPid(): Promise<number> {
  const found = (await processesWith(redisSocket())).find(({ command }) =>
    command.startsWith('redis-server'),
  );
  return found?.pid ?? 0;
}

test('a Redis that forgets everything in the middle of a build costs nothing but time', async () => {
  const { tree, sha } = await makeApp('flushed', waitsAt('flushed'), { hookUrl: hook.url });
  const client = startPush(tree);
  await gate.arrived('flushed');
  await promisify(execFile)('redis-cli', ['-s', redisSocket(), 'FLUSHALL']);
  gate.open('flushed');
  const { stderr, exitCode } = await client.result;
  expect(stderr).toContain('-----> Build 1 succeeded');
  expect(exitCode).toBe(0);
  expect(await tree.git('ls-remote', 'deis')).toContain(`${sha}\trefs/heads/main`);
  expect(gate.arrivals('flushed')).toBe(1);
});

test('a Redis that is killed is started again, and the build goes on', async () => {
  const { tree } = await makeApp('redisless', waitsAt('redisless'));
  const client = startPush(tree);
  await gate.arrived('redisless');
  const before = await redisPid();
  process.kill(before, 'SIGKILL');
  gate.open('redisless');
  const { stderr, exitCode } = await client.result;
  expect(stderr).toContain('-----> Build 1 succeeded');
  expect(exitCode).toBe(0);
  expect(gate.arrivals('redisless')).toBe(1);
  expect(await redisPid()).not.toBe(before);
});

test('a second service on the same data is refused with a sentence', async () => {
  const second = startServiceProcess({
    args: ['up'],
    environment: {
      ...hephy.environment,
      HEPHY_LISTEN_GIT: '127.0.0.1:0',
      HEPHY_LISTEN_API: '127.0.0.1:0',
    },
    logFile: join(hephy.folder, 'second.log'),
    ready: 'Ctrl-C',
  });
  await expect(second).rejects.toThrow(
    new RegExp(
      `is in use by process ${hephy.pid()}; stop that process, or use another data directory`,
    ),
  );
  // Its redis-server had taken the socket away from the first one's.
  const ping = await promisify(execFile)('redis-cli', ['-s', redisSocket(), 'ping']);
  expect(ping.stdout).toBe('PONG\n');
  const { tree } = await makeApp('unharmed', tiny);
  expect(await startPush(tree).result).toMatchObject({ exitCode: 0 });
});

test('killed with -9 while builds are queued, building, publishing and releasing, all of them end well, once', async () => {
  const building = await makeApp('building', waitsAt('building'), { hookUrl: hook.url });
  const publishing = await makeApp('publishing', tiny, { hookUrl: hook.url });
  const releasing = await makeApp('releasing', tiny, { hookUrl: hook.url });
  const queued = await makeApp('queued', waitsAt('queued'), { hookUrl: hook.url });
  const apps = { building, publishing, releasing, queued };
  const received = hook.received.length;
  const clients = [startPush(building.tree)];
  await gate.arrived('building');
  hook.script('silence');
  clients.push(startPush(releasing.tree));
  await hook.untilReceived(received + 1);
  proxy.script({ do: 'hang', method: 'PUT', path: /\/publishing\/manifests\/latest/ });
  clients.push(startPush(publishing.tree));
  await until('a tag that hangs', () =>
    proxy.requests.some(
      ({ method, path }) => method === 'PUT' && path.endsWith('/manifests/latest'),
    ),
  );
  process.kill(await redisPid(), 'SIGSTOP');
  clients.push(startPush(queued.tree));
  for (const name of Object.keys(apps)) await hephy.inState(name, 1, [name]);

  await hephy.end('SIGKILL');
  for (const { result } of clients) expect((await result).exitCode).not.toBe(0);
  // The builder works on; the service's own servers have gone with it.
  await until('the end of the servers', async () => (await redisPid()) === 0);
  gate.open('building');
  gate.open('queued');
  await hephy.start();
  for (const [name, { tree, sha }] of Object.entries(apps)) {
    expect(await hephy.ended(name, 1)).toMatchObject({ app: name, state: 'succeeded' });
    expect(await hephy.readTag(name, 'latest')).toBe(
      await hephy.readTag(name, `git-${sha.slice(0, 8)}`),
    );
    await until(`the ref of ${name}`, async () =>
      (await tree.git('ls-remote', 'deis')).includes(`${sha}\trefs/heads/main`),
    );
    const ids = hook.received
      .filter(({ body }) => body.includes(`"app":"${name}"`))
      .map(({ headers }) => headers['webhook-id']);
    expect({ name, deliveries: new Set(ids).size }).toEqual({ name, deliveries: 1 });
  }
  expect(gate.arrivals('building')).toBe(1);
  expect(gate.arrivals('queued')).toBe(1);
  expect(await hephy.log('building', 1)).toContain('[amd64] at building\n');
}, 120_000);

test('a service that is asked to stop ends with 0, its servers with it; a build it leaves is taken up by the next one', async () => {
  const { tree, sha } = await makeApp('handed', waitsAt('handed'));
  const client = startPush(tree);
  await gate.arrived('handed');
  expect(await hephy.end('SIGTERM')).toBe(0);
  expect((await client.result).exitCode).not.toBe(0);
  const left = await hephy.children();
  expect(left.filter(({ command }) => !command.includes('/builders/'))).toEqual([]);
  gate.open('handed');
  await hephy.start();
  expect(await hephy.ended('handed', 1)).toMatchObject({ state: 'succeeded' });
  await until('the ref', async () => (await tree.git('ls-remote', 'deis')).includes(sha));
  expect(gate.arrivals('handed')).toBe(1);
  const again = await runGitClient(['push', 'deis', 'main'], { cwd: tree.path });
  expect(again.stderr).toContain('Everything up-to-date');

  expect(await hephy.end('SIGTERM')).toBe(0);
  expect(await hephy.children()).toEqual([]);
});
