import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppSettings, deadlineOf, failureOf, planBuild } from '@hephy/core';
import type { Driver } from '@hephy/drivers';
import { connectRedis, createBuildSignals, createStepQueue, type RedisRole } from '@hephy/queue';
import { createApps, createBuildRecords, createPushes, migrate, openDatabase } from '@hephy/store';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRedis } from '../../../test/parts/redis.ts';
import { until } from '../../../test/parts/until.ts';
import { createWorker } from './create-worker.ts';

const onError = (): void => undefined;
const now = (): Date => new Date();
const newId = (): string => randomBytes(8).toString('hex');
const anHourOn = (): Date => new Date(Date.now() + 3_600_000);
const sha = 'c0ffee'.padEnd(40, '0');

let ends: AsyncDisposableStack;
let apps: ReturnType<typeof createApps>;
let pushes: ReturnType<typeof createPushes>;
let records: ReturnType<typeof createBuildRecords>;
beforeAll(async () => {
  ends = new AsyncDisposableStack();
  const cacheDirectory = join(tmpdir(), 'hephy-builder-tests');
  const database = await openDatabase({ directory: undefined, cacheDirectory });
  ends.defer(() => database.close());
  await migrate(database.db);
  apps = createApps(database.db);
  pushes = createPushes(database.db);
  records = createBuildRecords(database.db);
});
afterAll(() => ends.disposeAsync());

/** A build that nobody will look at for an hour. */
async function pushTo(name: string): Promise<string> {
  const app = { id: newId(), name, settings: AppSettings.parse({}), createdAt: now() };
  await apps.createApp(app);
  const plan = planBuild({ app, sha, registry: 'registry.test:5000' });
  const id = newId();
  await pushes.acceptPush({
    id,
    appId: app.id,
    userName: 'ada',
    ref: 'refs/heads/main',
    oldSha: '0'.repeat(40),
    newSha: sha,
    source: { sha256: 'e'.repeat(64), sizeBytes: 10 },
    plan,
    deadlineAt: deadlineOf(plan, now()),
    at: now(),
  });
  await records.setAskAgainAt(id, anHourOn());
  return id;
}

/** Its preflight was at work in a process that has given it back. */
async function handOver(buildId: string): Promise<void> {
  const work = { kind: 'preflight', name: 'preflight' } as const;
  const { version } = (await records.readBuild(buildId))!.build;
  await records.applyChange({ buildId, version, change: { addWork: [work] }, at: now(), newId });
  const lease = { owner: 'gone', until: now() };
  await records.claimWork({ key: { buildId, ...work }, attempt: 1, lease, at: now() });
  await records.setAskAgainAt(buildId, anHourOn());
}

/** A machine on which nothing can be built. */
const nowhere: Partial<Driver> = {
  preflight: async () => ({ ok: false, failure: failureOf('PlatformUnsupported') }),
  platforms: async () => [],
  list: async () => [],
};

/** On a Redis that holds nothing, and without anything that a worker does again and again. */
async function startWorker(): Promise<void> {
  const redis = await startRedis();
  ends.defer(() => redis.stop());
  const connect = (role: RedisRole) => {
    const connection = connectRedis({ socketPath: redis.socketPath }, role, onError);
    ends.defer(() => connection.close());
    return connection;
  };
  const publisher = connect('producer');
  const subscriber = connect('subscriber');
  const signals = createBuildSignals({ publisher, subscriber, onError });
  ends.defer(() => signals.close());
  const queue = createStepQueue({ connection: publisher, now, onError });
  ends.defer(() => queue.close());
  const worker = createWorker({
    records,
    queue,
    signals,
    connection: connect('worker'),
    driver: nowhere as Driver,
    platforms: { recordPlatforms: async () => undefined },
    checks: [],
    sources: { sweep: async () => ({ removed: 0 }) },
    listLiveSources: async () => [],
    platformBuilds: 1,
    wait: (ms, signal) => delay(ms, undefined, { signal }),
    repeat: () => () => undefined,
    now,
    newId,
    leaseMs: 15_000,
    onError,
  });
  ends.defer(() => worker.close());
}

test('a worker begins with the builds that the process before it left, wherever they stood', async () => {
  const ids = [await pushTo('waiting'), await pushTo('handed')];
  await handOver(ids[1]!);
  await startWorker();
  for (const id of ids) {
    const ended = await until('its end', async () => {
      const record = await records.readBuild(id);
      return record?.build.state === 'failed' && record.build;
    });
    expect(ended.failure?.reason).toBe('PlatformUnsupported');
  }
});
