import type { Build } from '@hephy/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBuildQueries } from './build-queries.ts';
import { createBuildRecords } from './build-records.ts';
import { createDeliveries } from './deliveries.ts';
import type { OpenDatabase } from './open-database.ts';
import { openPgliteMigrated, seedBuild } from './open-for-test.ts';

const at = new Date('2026-11-22T10:00:00Z');
const later = new Date('2026-11-22T10:05:00Z');

let opened: OpenDatabase;
beforeAll(async () => {
  opened = await openPgliteMigrated();
});
afterAll(async () => opened.close());

function buildOf(facts: Partial<Build> & Pick<Build, 'id' | 'appId'>): Build {
  return {
    appName: facts.appId.toLowerCase(),
    number: 1,
    sha: 'a'.repeat(40),
    ref: 'refs/heads/main',
    pushedBy: 'ann',
    source: { sha256: 'b'.repeat(64), sizeBytes: 1 },
    plan: {
      images: [],
      requireNativeNodes: true,
      noCache: false,
      timeLimitSeconds: 60,
      hook: true,
    },
    state: 'releasing',
    failure: null,
    cancelRequest: null,
    createdAt: at,
    startedAt: at,
    finishedAt: null,
    deadlineAt: later,
    version: 1,
    ...facts,
  };
}

/** A build whose delivery has failed for good. */
async function failedForItsHook(id: string, appId: string): Promise<void> {
  const records = createBuildRecords(opened.db);
  await seedBuild(opened, buildOf({ id, appId }));
  const newId = (): string => `delivery-of-${id}`;
  const addWork = [{ kind: 'delivery', name: 'webhook' }] as const;
  await records.applyChange({ buildId: id, version: 1, change: { addWork }, at, newId });
  const key = { buildId: id, kind: 'delivery', name: 'webhook' } as const;
  const lease = { owner: 'one', until: later };
  await records.claimWork({ key, attempt: 1, lease, at });
  const failure = { reason: 'HookFailed' } as const;
  const outcome = { state: 'failed', failure } as const;
  const { version } = await records.finishWork({ key, owner: 'one', outcome, at });
  const change = { state: 'failed', failure } as const;
  await records.applyChange({ buildId: id, version, change, at, newId });
}

describe('reopenDelivery', () => {
  it('sends a failed build back to releasing, with the same delivery id', async () => {
    await failedForItsHook('B1', 'A1');
    const reopened = await createDeliveries(opened.db).reopenDelivery({
      buildId: 'B1',
      by: 'ann',
      at: later,
    });
    expect(reopened).toMatchObject({ ok: true });
    const record = await createBuildRecords(opened.db).readBuild('B1');
    expect(record?.build).toMatchObject({ state: 'releasing', failure: null, finishedAt: null });
    expect(record?.work).toMatchObject([
      { kind: 'delivery', state: 'pending', attempt: 1, deliveryId: 'delivery-of-B1' },
    ]);
  });

  it('makes the app busy, although a newer build has ended', async () => {
    await failedForItsHook('B9', 'A9');
    await seedBuild(opened, buildOf({ id: 'B10', appId: 'A9', number: 2, state: 'failed' }));
    const queries = createBuildQueries(opened.db);
    expect(await queries.findLiveBuild('A9')).toBeUndefined();
    await createDeliveries(opened.db).reopenDelivery({ buildId: 'B9', by: 'ann', at: later });
    expect(await queries.findLiveBuild('A9')).toMatchObject({ number: 1 });
  });

  it('gives who waits for the build a new moment by which it is overdue', async () => {
    await failedForItsHook('B11', 'A11');
    const nextDay = new Date('2026-11-23T10:00:00Z');
    await createDeliveries(opened.db).reopenDelivery({ buildId: 'B11', by: 'ann', at: nextDay });
    const live = await createBuildQueries(opened.db).findLiveBuild('A11');
    expect(live).toMatchObject({ deadlineAt: nextDay });
  });

  it('is due for the reconciler at once, should the queue lose the ask', async () => {
    await failedForItsHook('B2', 'A2');
    await createDeliveries(opened.db).reopenDelivery({ buildId: 'B2', by: 'ann', at: later });
    const due = await createBuildRecords(opened.db).listDueBuilds({ now: later, limit: 100 });
    expect(due.map(({ id }) => id)).toContain('B2');
  });

  it('refuses a build that has not ended, and one without a delivery', async () => {
    const deliveries = createDeliveries(opened.db);
    await seedBuild(opened, buildOf({ id: 'B3', appId: 'A3' }));
    await seedBuild(opened, buildOf({ id: 'B4', appId: 'A4', state: 'succeeded' }));
    for (const buildId of ['B3', 'B4', 'unknown']) {
      const answer = await deliveries.reopenDelivery({ buildId, by: 'ann', at: later });
      expect(answer).toEqual({ ok: false, why: 'NoDelivery' });
    }
  });

  it('refuses to deliver a release again when the app has a newer one', async () => {
    await failedForItsHook('B7', 'A7');
    const builds = [
      { id: 'B7', version: 1 },
      { id: 'B8', version: 2 },
    ];
    await seedBuild(opened, buildOf({ id: 'B8', appId: 'A7', number: 2, state: 'succeeded' }));
    for (const { id, version } of builds) {
      const release = { build_id: id, app_id: 'A7', version, created_at: at };
      await opened.db.insertInto('releases').values(release).execute();
    }
    const answer = await createDeliveries(opened.db).reopenDelivery({
      buildId: 'B7',
      by: 'ann',
      at: later,
    });
    expect(answer).toEqual({ ok: false, why: 'NewerRelease' });
  });

  it('refuses while another build of the app is live', async () => {
    await failedForItsHook('B5', 'A5');
    await seedBuild(opened, buildOf({ id: 'B6', appId: 'A5', number: 2, state: 'building' }));
    const answer = await createDeliveries(opened.db).reopenDelivery({
      buildId: 'B5',
      by: 'ann',
      at: later,
    });
    expect(answer).toEqual({ ok: false, why: 'Busy' });
  });
});
