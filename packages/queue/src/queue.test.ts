import { once } from 'node:events';
import type { Step } from '@hephy/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { startRedis, type TestRedis } from '../../../test/parts/redis.ts';
import { bullBoardQueues } from './bull-board-queues.ts';
import { connectRedis, type RedisConnection, type RedisRole } from './connect-redis.ts';
import { defaultPrefix, type AdvancePayload } from './queue-jobs.ts';
import { startQueueWorkers, type QueueWorkersOptions } from './queue-workers.ts';
import { createStepQueue, tolerant, type ClosableStepQueue } from './step-queue.ts';

let redis: TestRedis;
let cleanUp: (() => Promise<void>)[];
let errors: unknown[];
const onError = (error: unknown): void => void errors.push(error);

beforeEach(async () => {
  cleanUp = [];
  errors = [];
  redis = await startRedis();
});
afterEach(async () => {
  for (const end of cleanUp.toReversed()) await end();
  await redis.stop();
});

function connect(role: RedisRole): RedisConnection {
  const connection = connectRedis({ socketPath: redis.socketPath }, role, onError);
  cleanUp.push(() => connection.close());
  return connection;
}

function openStepQueue(): ClosableStepQueue {
  const queue = createStepQueue({
    connection: connect('producer'),
    now: () => new Date(),
    onError,
  });
  cleanUp.push(() => queue.close());
  return queue;
}

function work(changes: Partial<QueueWorkersOptions['handlers']> = {}) {
  const asks: AdvancePayload[] = [];
  const steps: Step[] = [];
  const workers = startQueueWorkers({
    connection: connect('worker'),
    handlers: {
      advance: async (ask) => void asks.push(ask),
      step: async (given) => void steps.push(given),
      ...changes,
    },
    kinds: ['advance', 'platform', 'publication'],
    concurrency: { advance: 4, platform: 4 },
    onError,
    closeMs: 2_000,
  });
  cleanUp.push(() => workers.close());
  return { asks, steps, workers };
}

const step: Step = { buildId: 'b1', kind: 'platform', name: 'web linux/arm64', attempt: 1 };
const soon = { timeout: 30_000, interval: 20 };

async function waitingIds(): Promise<string[]> {
  const board = bullBoardQueues({ connection: connect('producer'), onError });
  const jobs = await Promise.all(
    board.queues.map((queue) => queue.getJobs(['waiting', 'delayed', 'active'])),
  );
  await board.close();
  return jobs
    .flat()
    .map((job) => job.id ?? '')
    .toSorted();
}

describe('the step queue', () => {
  test('makes one QueueJob of many askers, under ids made from what is asked', async () => {
    const queue = openStepQueue();
    await queue.addStep(step);
    await queue.addStep(step);
    await queue.addStep({ ...step, attempt: 2 });
    await queue.addStep({ ...step, kind: 'publication', name: 'web' });
    await queue.askAdvance({ buildId: 'b1', version: 3 });
    await queue.askAdvance({ buildId: 'b1', version: 3 });
    expect(await waitingIds()).toEqual([
      'b1-platform-web%20linux%2Farm64-a1',
      'b1-platform-web%20linux%2Farm64-a2',
      'b1-publication-web-a1',
      'b1-v3',
    ]);
  });

  test('counts the steps in line that nobody has taken, and no other QueueJobs', async () => {
    const queue = openStepQueue();
    const held = Promise.withResolvers<void>();
    const seen = work({ step: () => held.promise });
    for (let attempt = 1; attempt <= 4; attempt += 1) await queue.addStep({ ...step, attempt });
    await vi.waitFor(async () => expect(await queue.countWaiting()).toBe(0), soon);
    await queue.addStep({ ...step, attempt: 5 });
    await queue.addStep({ ...step, kind: 'preflight', name: 'preflight' });
    await queue.addStep({ ...step, kind: 'delivery', name: 'webhook' });
    await queue.askAdvance({ buildId: 'b1', version: 3, delayMs: 600_000 });
    expect(await queue.countWaiting()).toBe(2);
    held.resolve();
    await seen.workers.close();
  });

  test('a delayed ask does not swallow an immediate one', async () => {
    const queue = openStepQueue();
    await queue.askAdvance({ buildId: 'b1', version: 3, delayMs: 600_000 });
    const seen = work();
    await queue.askAdvance({ buildId: 'b1', version: 3 });
    await vi.waitFor(() => expect(seen.asks).toEqual([{ buildId: 'b1', version: 3 }]), soon);
  });

  test('a delayed ask can ask again from within, for the same version, as often as it takes', async () => {
    const queue = openStepQueue();
    let turns = 0;
    work({
      advance: async (ask) => {
        turns += 1;
        if (turns < 5) await queue.askAdvance({ ...ask, delayMs: 1 });
      },
    });
    await queue.askAdvance({ buildId: 'b1', version: 3, delayMs: 1 });
    await vi.waitFor(() => expect(turns).toBe(5), soon);
  });

  test('the same step can be added again after it has ended', async () => {
    const queue = openStepQueue();
    const seen = work();
    for (const times of [1, 2, 3]) {
      await vi.waitFor(async () => expect(await waitingIds()).toEqual([]), soon);
      await queue.addStep(step);
      await vi.waitFor(() => expect(seen.steps).toHaveLength(times), soon);
    }
    expect(seen.steps[0]).toEqual(step);
  });

  test('rejects soon while Redis is away or does not answer; the tolerant one says so once and goes on', async () => {
    const queue = openStepQueue();
    await queue.addStep(step);
    redis.freeze();
    await expect(queue.addStep({ ...step, attempt: 2 })).rejects.toBeInstanceOf(Error);
    redis.thaw();
    await redis.kill();
    await expect(queue.addStep(step)).rejects.toBeInstanceOf(Error);
    const reported: unknown[] = [];
    const patient = tolerant(queue, (error) => void reported.push(error));
    await patient.addStep(step);
    await patient.askAdvance({ buildId: 'b1', version: 3 });
    expect(await patient.countWaiting()).toBe(0);
    expect(reported).toEqual([expect.any(Error)]);
  });
});

describe('the workers', () => {
  test('hand out what is added after Redis was emptied, with the same ids', async () => {
    const queue = openStepQueue();
    const held = Promise.withResolvers<void>();
    const seen: Step[] = [];
    work({
      step: async (given) => {
        seen.push(given);
        await held.promise;
      },
    });
    await queue.addStep(step);
    await vi.waitFor(() => expect(seen).toHaveLength(1), soon);
    await redis.flush();
    await queue.addStep(step);
    await vi.waitFor(() => expect(seen).toHaveLength(2), soon);
    held.resolve();
    await vi.waitFor(async () => expect(await waitingIds()).toEqual([]), soon);
    await queue.addStep(step);
    await vi.waitFor(() => expect(seen).toHaveLength(3), soon);
  });

  test('go on after Redis was killed and came back five seconds later', async () => {
    const queue = openStepQueue();
    const seen = work();
    await queue.addStep(step);
    await vi.waitFor(() => expect(seen.steps).toHaveLength(1), soon);
    await redis.kill();
    const outageMs = 5_000;
    const back = new Promise((resolve) => setTimeout(resolve, outageMs)).then(() => redis.start());
    await expect(queue.addStep(step)).rejects.toBeInstanceOf(Error);
    await back;
    await vi.waitFor(() => queue.addStep(step), soon);
    await queue.askAdvance({ buildId: 'b1', version: 4 });
    await vi.waitFor(() => expect(seen.steps.length).toBeGreaterThan(1), soon);
    await vi.waitFor(() => expect(seen.asks).toHaveLength(1), soon);
  });

  test('start while Redis is away, and work once it is there', async () => {
    await redis.kill();
    const queue = openStepQueue();
    const seen = work();
    await expect(queue.addStep(step)).rejects.toBeInstanceOf(Error);
    await redis.start();
    await vi.waitFor(() => queue.addStep(step), soon);
    await vi.waitFor(() => expect(seen.steps).toEqual([step]), soon);
  });

  test('try a handler that throws again, and report it', async () => {
    const queue = openStepQueue();
    let calls = 0;
    work({
      step: async () => {
        calls += 1;
        if (calls < 3) throw new Error('the database is away');
      },
    });
    await queue.addStep(step);
    await vi.waitFor(() => expect(calls).toBe(3), soon);
    expect(errors.map(String)).toEqual([
      expect.stringContaining('platform-builds: b1-platform-'),
      expect.stringContaining('platform-builds: b1-platform-'),
    ]);
  });

  test('refuse a payload of another shape, and forget it', async () => {
    const board = bullBoardQueues({ connection: connect('producer'), onError });
    cleanUp.push(() => board.close());
    await board.queues[0]?.add('advance', { buildId: 7 }, { jobId: 'odd', attempts: 1 });
    const seen = work();
    await vi.waitFor(() => expect(errors).toHaveLength(1), soon);
    expect(seen.asks).toEqual([]);
    await vi.waitFor(async () => expect(await waitingIds()).toEqual([]), soon);
  });

  test('tell the steps at work to end, and close when they have', async () => {
    const queue = openStepQueue();
    const reasons: unknown[] = [];
    const started = Promise.withResolvers<void>();
    const { workers } = work({
      step: async (_, shutdown) => {
        started.resolve();
        await once(shutdown, 'abort');
        reasons.push(shutdown.reason);
      },
    });
    await queue.addStep(step);
    await started.promise;
    await workers.close();
    expect(reasons).toEqual(['shutdown']);
    expect(await waitingIds()).toEqual([]);
  });

  test('close within a bound although a step never ends', async () => {
    const queue = openStepQueue();
    const started = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const { workers } = work({
      step: () => {
        started.resolve();
        return held.promise;
      },
    });
    await queue.addStep(step);
    await started.promise;
    await workers.close();
    expect(await waitingIds()).toHaveLength(1);
    held.resolve();
    await vi.waitFor(async () => expect(await waitingIds()).toEqual([]), soon);
  });

  test('close although Redis is away', async () => {
    const { workers } = work();
    await redis.kill();
    await expect(workers.close()).resolves.toBeUndefined();
  });
});

test('all keys share one prefix, so that a Redis cluster keeps them in one slot', async () => {
  const queue = openStepQueue();
  await queue.addStep(step);
  const keys = await connect('worker').redis.keys('*');
  expect(keys.filter((key) => !key.startsWith(`${defaultPrefix}:`))).toEqual([]);
});

test('an outage is told in a few lines, however long it is and however much is asked meanwhile', async () => {
  const steps = openStepQueue();
  const queue = tolerant(steps, onError);
  const taken = work();
  await queue.addStep(step);
  await vi.waitFor(() => expect(taken.steps).toHaveLength(1), soon);
  const { redis: watched } = connect('subscriber');
  let tries = 0;
  watched.on('reconnecting', () => (tries += 1));
  await redis.kill();
  await vi.waitFor(async () => {
    await Promise.all(
      Array.from({ length: 20 }, () => queue.askAdvance({ buildId: 'b1', version: 1 })),
    );
    expect(tries).toBeGreaterThan(4);
  }, soon);
  const outage = errors.map(String);
  expect(outage).toContainEqual(expect.stringMatching(/ENOENT|ECONNREFUSED/));
  expect(outage).toContainEqual(expect.stringContaining('Redis is away'));
  expect(outage.length).toBeLessThan(20);

  await redis.start();
  await vi.waitFor(() => steps.addStep({ ...step, attempt: 2 }), soon);
  await vi.waitFor(() => expect(taken.steps.length).toBeGreaterThan(1), soon);
  errors.length = 0;
  await redis.kill();
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0), soon);
});
