import type { BuildChange } from '@hephy/core';
import { describe, expect, it } from 'vitest';
import {
  at,
  deliveryWork,
  owner,
  platformWork,
  preflightWork,
  publicationWork,
  type Ground,
} from './ground.ts';

/** Long before the builds of all other tests. */
const old = (days: number): Date => at(-days * 86_400_000);

export function describeChanges(ground: () => Ground): void {
  describe('reading and changing a build', () => {
    it('reads a build as it was put in, with its plan and dates', async () => {
      const build = await ground().seed();
      expect(await ground().records.readBuild(build.id)).toEqual({
        build,
        work: [],
        release: null,
      });
    });

    it('answers undefined for a build that is not there', async () => {
      expect(await ground().records.readBuild('01JNONE')).toBeUndefined();
    });

    itComparesVersions(ground);
    itChangesStates(ground);
    itChangesWork(ground);
    itReleases(ground);
    itListsDueBuilds(ground);
  });
}

function itComparesVersions(ground: () => Ground): void {
  it('applies a change once: the second with the same version is refused and changes nothing', async () => {
    const { records, seed, read, newId } = ground();
    const { id, version } = await seed();
    const change: BuildChange = { addWork: [preflightWork] };
    const input = { buildId: id, version, change, at: at(0), newId };
    expect(await records.applyChange(input)).toBe(true);
    expect(await records.applyChange(input)).toBe(false);
    const record = await read(id);
    expect(record.build.version).toBe(version + 1);
    expect(record.work).toHaveLength(1);
  });

  it('lets one of ten changes made side by side win', async () => {
    const { records, seed, newId, events } = ground();
    const { id, version } = await seed();
    const input = {
      buildId: id,
      version,
      change: { state: 'building' as const },
      at: at(0),
      newId,
    };
    const answers = await Promise.all(Array.from({ length: 10 }, () => records.applyChange(input)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await events(id)).toHaveLength(1);
  });

  it('refuses to change a build that is not there', async () => {
    const { records, newId } = ground();
    const change: BuildChange = { state: 'building' };
    const input = { buildId: '01JNONE', version: 1, at: at(0), newId };
    expect(await records.applyChange({ ...input, change })).toBe(false);
    expect(await records.applyChange({ ...input, change: { release: true } })).toBe(false);
  });
}

function itChangesStates(ground: () => Ground): void {
  it('notes when the build began and when it ended, and tells each state', async () => {
    const { seed, change, read, events } = ground();
    const { id } = await seed();
    const failure = { reason: 'BuildFailed', platform: 'linux/arm64', exitCode: 7 } as const;
    await change(id, { state: 'building' }, 1000);
    await change(id, { state: 'canceling', failure }, 2000);
    await change(id, { state: 'failed' }, 3000);
    const { build } = await read(id);
    expect(build).toMatchObject({ state: 'failed', failure, startedAt: at(1000) });
    expect(build.finishedAt).toEqual(at(3000));
    expect(await events(id)).toEqual([
      { type: 'build.state', state: 'building' },
      { type: 'build.state', state: 'canceling', failure },
      { type: 'build.state', state: 'failed' },
    ]);
  });

  it('keeps quotes, backslashes, what looks like an escape, and characters beyond 16 bits', async () => {
    const { seed, change, read } = ground();
    const { id } = await seed();
    const detail = `wrote 'x' "\\u0000" and \u{1F600}`;
    await change(id, { state: 'canceling', failure: { reason: 'InternalError', detail } });
    expect((await read(id)).build.failure?.detail).toBe(detail);
  });
}

function itChangesWork(ground: () => Ground): void {
  it('adds work in order, pending, at its first attempt', async () => {
    const { seed, change, read, newId } = ground();
    const { id } = await seed();
    const before = newId();
    await change(id, { addWork: [preflightWork, platformWork, publicationWork, deliveryWork] });
    const { work } = await read(id);
    const life = { buildId: id, state: 'pending', attempt: 1, notBefore: null, leaseUntil: null };
    const ended = { finishedAt: null, failure: null, pastFailures: [], result: null };
    const rest = { startedAt: null, ...ended };
    const deliveryId = expect.any(String);
    expect(work).toEqual([
      { ...life, ...rest, ...preflightWork },
      { ...life, ...rest, ...platformWork },
      { ...life, ...rest, ...publicationWork },
      { ...life, ...rest, ...deliveryWork, deliveryId },
    ]);
    const last = work.at(-1);
    expect(last?.kind === 'delivery' && last.deliveryId > before).toBe(true);
  });

  it('makes failed work pending again as the next attempt, which knows why those before it failed', async () => {
    const { records, seedRunning, change, read, events } = ground();
    const key = await seedRunning(platformWork);
    const failure = { reason: 'BuilderLost' } as const;
    const outcome = { state: 'failed', failure } as const;
    await records.finishWork({ key, owner, outcome, at: at(500) });
    await change(key.buildId, { retryWork: [{ key, notBefore: at(5000) }] }, 1000);
    expect((await read(key.buildId)).work).toMatchObject([
      { state: 'pending', attempt: 2, notBefore: at(5000), leaseUntil: null, startedAt: null },
    ]);
    expect((await read(key.buildId)).work).toMatchObject([
      { finishedAt: null, failure: null, pastFailures: [failure] },
    ]);
    const told = { type: 'work.retried', what: platformWork.name, attempt: 2, failure };
    expect((await events(key.buildId)).at(-1)).toEqual(told);
    const lease = { owner, until: at(9000) };
    await records.claimWork({ key, attempt: 2, lease, at: at(5000) });
    const next = { state: 'failed', failure: { reason: 'NodeLost' } } as const;
    await records.finishWork({ key, owner, outcome: next, at: at(6000) });
    await change(key.buildId, { retryWork: [{ key, notBefore: at(7000) }] }, 6500);
    expect((await read(key.buildId)).work).toMatchObject([
      { attempt: 3, pastFailures: [failure, next.failure] },
    ]);
  });

  it('cancels work that is pending and leaves running work alone', async () => {
    const { seedRunning, change, read } = ground();
    const key = await seedRunning(platformWork);
    const waiting = { ...platformWork, name: 'web linux/amd64', platform: 'linux/amd64' };
    await change(key.buildId, { addWork: [waiting] });
    const cancelWork = [key, { ...key, name: waiting.name }];
    await change(key.buildId, { cancelWork }, 700);
    expect((await read(key.buildId)).work).toMatchObject([
      { state: 'running', finishedAt: null },
      { state: 'canceled', finishedAt: at(700) },
    ]);
  });
}

function itReleases(ground: () => Ground): void {
  it('gives the releases of an app the versions 1, 2, 3, and each build one', async () => {
    const { seed, change, read, events } = ground();
    const first = await seed();
    await change(first.id, { state: 'succeeded', release: true }, 10);
    await change(first.id, { release: true }, 20);
    const second = await seed({ appId: first.appId, appName: first.appName, number: 2 });
    await change(second.id, { state: 'releasing', release: true }, 30);
    const version = 1;
    expect((await read(first.id)).release).toEqual({
      buildId: first.id,
      version,
      createdAt: at(10),
    });
    expect((await read(second.id)).release?.version).toBe(2);
    expect(await events(second.id)).toEqual([
      { type: 'build.state', state: 'releasing' },
      { type: 'release.created', version: 2, appName: first.appName },
    ]);
    const created = (await events(first.id)).filter(({ type }) => type === 'release.created');
    expect(created).toHaveLength(1);
  });

  it('gives one of ten askers side by side the release, and skips no version', async () => {
    const { records, seed, newId, read } = ground();
    const { id, version, appId, appName } = await seed();
    const change: BuildChange = { state: 'succeeded', release: true };
    const input = { buildId: id, version, change, at: at(0), newId };
    const answers = await Promise.all(Array.from({ length: 10 }, () => records.applyChange(input)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    const next = await seed({ appId, appName, number: 2 });
    await records.applyChange({ ...input, buildId: next.id });
    expect((await read(next.id)).release?.version).toBe(2);
  });
}

function itListsDueBuilds(ground: () => Ground): void {
  it('lists builds that have not ended and whose time has come, the longest waiting first', async () => {
    const { records, seed, change } = ground();
    const [late, early, notYet, ended] = [await seed(), await seed(), await seed(), await seed()];
    await records.setAskAgainAt(late.id, old(40));
    await records.setAskAgainAt(early.id, old(10));
    await records.setAskAgainAt(early.id, old(50));
    await records.setAskAgainAt(notYet.id, old(20));
    await records.setAskAgainAt(ended.id, old(60));
    await change(ended.id, { state: 'canceled' });
    expect(await records.listDueBuilds({ now: old(30), limit: 10 })).toEqual([
      { id: early.id, version: early.version },
      { id: late.id, version: late.version },
    ]);
    expect(await records.listDueBuilds({ now: old(30), limit: 1 })).toMatchObject([
      { id: early.id },
    ]);
  });

  it('brings forward so many builds that have not ended, the farthest first', async () => {
    const { records, seed, change } = ground();
    const [farthest, far, near, ended] = [await seed(), await seed(), await seed(), await seed()];
    await records.setAskAgainAt(farthest.id, inYears(30));
    await records.setAskAgainAt(far.id, inYears(20));
    await records.setAskAgainAt(near.id, inYears(10));
    await records.setAskAgainAt(ended.id, inYears(40));
    await change(ended.id, { state: 'canceled' });
    const names = new Map([farthest, far, near].map(({ id }, at) => [id, at]));
    const dueIn = async (years: number): Promise<(number | undefined)[]> => {
      const due = await records.listDueBuilds({ now: inYears(years), limit: 1000 });
      return due.map(({ id }) => names.get(id)).filter((name) => name !== undefined);
    };
    await records.bringForward({ at: inYears(15), limit: 1 });
    expect(await dueIn(15)).toEqual([2, 0]);
    await records.bringForward({ at: inYears(15), limit: 1000 });
    expect(await dueIn(14)).toEqual([2]);
    expect(await dueIn(15)).toHaveLength(3);
  });

  it('has a build looked at when the lease of claimed work ends, and when a cancel is asked for', async () => {
    const { records, seed, change } = ground();
    const [claimed, canceled] = [await seed(), await seed()];
    await change(claimed.id, { addWork: [platformWork] });
    for (const { id } of [claimed, canceled]) await records.setAskAgainAt(id, inYears(10));
    const key = { buildId: claimed.id, kind: 'platform', name: platformWork.name } as const;
    const lease = { owner, until: at(2_000) };
    await records.claimWork({ key, attempt: 1, lease, at: at(1_000) });
    const wish = { by: 'ada', reason: 'no', at: at(1_000) };
    await records.requestCancel({ buildId: canceled.id, ...wish });
    const dueAt = async (ms: number): Promise<string[]> => {
      const due = await records.listDueBuilds({ now: at(ms), limit: 1000 });
      return due.map(({ id }) => id).filter((id) => [claimed.id, canceled.id].includes(id));
    };
    expect(await dueAt(1_999)).toEqual([canceled.id]);
    expect(await dueAt(2_000)).toEqual([canceled.id, claimed.id]);
  });
}

function inYears(years: number): Date {
  return at(years * 365 * 86_400_000);
}
