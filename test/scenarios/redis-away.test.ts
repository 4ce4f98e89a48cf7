/** A Redis of the operator's own is gone for half a minute in the middle of a build, and comes back empty. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import { startGitClient } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { startRedis, type TestRedis } from '../parts/redis.ts';
import { until } from '../parts/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../parts/webhook-receiver.ts';

let redis: TestRedis;
let hephy: Hephy;
let gate: Gate;
let hook: WebhookReceiver;
beforeAll(async () => {
  redis = await startRedis({ tcp: true });
  [hephy, gate, hook] = await Promise.all([
    startHephy({ environment: { HEPHY_REDIS_URL: redis.url } }),
    startGate(),
    startWebhookReceiver(),
  ]);
});
afterAll(async () => {
  await Promise.all([hephy?.close(), gate?.close(), hook?.close()]);
  await redis?.stop();
});
showLogOnFailure(() => hephy);

const logLines = async (): Promise<number> =>
  (await readFile(hephy.logFile, 'utf8')).split('\n').length;

test('a Redis that is away until the pusher is told, and comes back empty, costs a build nothing but time', async () => {
  const tree = await hephy.createApp('shop', {
    platforms: ['linux/amd64', 'linux/arm64'],
    requireNativeNodes: false,
    hookUrl: hook.url,
  });
  await hephy.call('POST', '/v1/apps/shop/hook-secret');
  // Both platforms run their step on this machine's processor, so that both are at work when Redis goes.
  const from = `FROM --platform=linux/amd64 ${await hephy.baseImage()} AS first\nARG TARGETARCH`;
  const step = `${gate.step('away')} && echo $TARGETARCH > /arch`;
  const sha = await tree.commit({
    Dockerfile: `${from}\n${step}\nFROM scratch\nCOPY --from=first /arch /\n`,
  });
  const client = startGitClient(['push', 'deis', 'main'], { cwd: tree.path });
  await until('both platforms at the door', () => gate.arrivals('away') === 2);
  await redis.kill('SIGTERM');
  const before = await logLines();
  gate.open('away');
  await client.seen('[arm64] built in');
  await client.seen('[amd64] built in');
  // Said after 30 s: every lease and lock from before is over by then.
  await client.seen(
    'Build 1 waits: the service does not reach its redis; it goes on by itself when it does again',
  );
  expect((await logLines()) - before).toBeLessThan(30);
  expect(await fetch(`${hephy.apiUrl}/livez`)).toMatchObject({ status: 200 });

  await redis.start();
  const { stderr, exitCode } = await client.result;
  expect(stderr).toContain('-----> Build 1 succeeded');
  expect(stderr.match(/-----> Publishing|-----> Releasing shop v1|Build 1 waits/g)).toEqual([
    'Build 1 waits',
    '-----> Publishing',
    '-----> Releasing shop v1',
  ]);
  expect(exitCode).toBe(0);
  expect(await tree.git('ls-remote', 'deis')).toContain(`${sha}\trefs/heads/main`);
  const index = await hephy.readTag('shop', 'latest');
  expect(index).toMatch(/"amd64".*"arm64"/);
  expect(await hephy.readTag('shop', `git-${sha.slice(0, 8)}`)).toBe(index);
  expect(gate.arrivals('away')).toBe(2);
  expect(hook.received).toHaveLength(1);

  await tree.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' });
  const next = await startGitClient(['push', 'deis', 'main'], { cwd: tree.path }).result;
  expect(next).toMatchObject({ exitCode: 0 });
}, 120_000);
