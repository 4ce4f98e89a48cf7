import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startRedis, type TestRedis } from '../../../test/parts/redis.ts';
import { createBuildSignals, type SubscribableSignals } from './build-signals.ts';
import { connectRedis, type RedisConnection, type RedisRole } from './connect-redis.ts';

let redis: TestRedis;
let cleanUp: (() => Promise<void> | void)[];

beforeEach(async () => {
  cleanUp = [];
  redis = await startRedis();
});
afterEach(async () => {
  for (const end of cleanUp.toReversed()) await end();
  await redis.stop();
});

function connect(role: RedisRole): RedisConnection {
  const connection = connectRedis({ socketPath: redis.socketPath }, role, () => {});
  cleanUp.push(() => connection.close());
  return connection;
}

async function openSignals(): Promise<SubscribableSignals & { subscriber: RedisConnection }> {
  const publisher = connect('producer');
  const subscriber = connect('subscriber');
  await Promise.all([publisher.ready(), subscriber.ready()]);
  const signals = createBuildSignals({ publisher, subscriber, onError: () => {} });
  cleanUp.push(() => signals.close());
  return { ...signals, subscriber };
}

const soon = { timeout: 30_000, interval: 5 };

/** Subscribes, and waits until the subscription stands. */
async function listen(signals: SubscribableSignals, buildId: string) {
  const callback = vi.fn<() => void>();
  const unsubscribe = signals.subscribe(buildId, callback);
  await vi.waitFor(() => expect(callback).toHaveBeenCalled(), soon);
  callback.mockClear();
  return { callback, unsubscribe };
}

test('a signal of one process reaches all who wait in another, and no other build', async () => {
  const here = await openSignals();
  const there = await openSignals();
  const first = await listen(there, 'b1');
  const second = await listen(there, 'b1');
  const other = await listen(there, 'b2');
  first.callback.mockClear();
  await here.notify('b1');
  await vi.waitFor(() => expect(first.callback).toHaveBeenCalledTimes(1), soon);
  await vi.waitFor(() => expect(second.callback).toHaveBeenCalledTimes(1), soon);
  expect(other.callback).not.toHaveBeenCalled();
});

test('a thousand signals in a row arrive as few, and the last one is not lost', async () => {
  const signals = await openSignals();
  let written = 0;
  const seen: number[] = [];
  const unsubscribe = signals.subscribe('b1', () => void seen.push(written));
  await vi.waitFor(() => expect(seen).toEqual([0]), soon);
  for (written = 1; written < 1_000; written += 1) await signals.notify('b1');
  await vi.waitFor(() => expect(seen.at(-1)).toBe(1_000), soon);
  expect(seen.length).toBeLessThan(100);
  unsubscribe();
});

test('who has unsubscribed is not called, while others of the same build still are', async () => {
  const signals = await openSignals();
  const leaving = await listen(signals, 'b1');
  const staying = await listen(signals, 'b1');
  leaving.callback.mockClear();
  leaving.unsubscribe();
  leaving.unsubscribe();
  await signals.notify('b1');
  await vi.waitFor(() => expect(staying.callback).toHaveBeenCalled(), soon);
  expect(leaving.callback).not.toHaveBeenCalled();
  staying.unsubscribe();
  const { redis: client } = connect('producer');
  await vi.waitFor(
    async () => expect(await client.pubsub('CHANNELS', 'hephy:build:*')).toEqual([]),
    soon,
  );
});

test('while Redis is away everybody is called again and again, and signals work after it', async () => {
  const signals = await openSignals();
  const { callback } = await listen(signals, 'b1');
  await redis.kill();
  await signals.notify('b1');
  await vi.waitFor(() => expect(callback.mock.calls.length).toBeGreaterThan(1), soon);
  const late = vi.fn<() => void>();
  signals.subscribe('b2', late);
  await vi.waitFor(() => expect(late).toHaveBeenCalled(), soon);

  await redis.start();
  await signals.subscriber.ready().catch(() => signals.subscriber.ready());
  const { redis: client } = connect('producer');
  await vi.waitFor(
    async () => expect(await client.pubsub('CHANNELS', 'hephy:build:*')).toHaveLength(2),
    soon,
  );
  callback.mockClear();
  const elsewhere = await openSignals();
  await vi.waitFor(async () => {
    await elsewhere.notify('b1');
    expect(callback).toHaveBeenCalled();
  }, soon);
});

test('a Redis that has stopped answering is taken for away', async () => {
  const signals = await openSignals();
  const { callback } = await listen(signals, 'b1');
  redis.freeze();
  await vi.waitFor(() => expect(callback.mock.calls.length).toBeGreaterThan(1), soon);
  redis.thaw();
});
