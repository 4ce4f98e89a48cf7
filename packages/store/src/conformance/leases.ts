import { describe, expect, it } from 'vitest';
import { at, owner, platformWork, preflightWork, type Ground } from './ground.ts';

const other = 'owner-two';
const built = { state: 'succeeded', result: { exitCode: 0, digest: 'sha256:1' } } as const;

export function describeLeases(ground: () => Ground): void {
  describe('claim, renew, finish', () => {
    itClaims(ground);
    itTakesOver(ground);
    itRenews(ground);
    itFinishes(ground);
  });
}

function itClaims(ground: () => Ground): void {
  it('gives pending work to one of ten claimers side by side', async () => {
    const { records, seed, change, read } = ground();
    const { id } = await seed();
    await change(id, { addWork: [platformWork] });
    const { version } = (await read(id)).build;
    const key = { buildId: id, kind: 'platform', name: platformWork.name } as const;
    const until = at(10_000);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        records.claimWork({
          key,
          attempt: 1,
          lease: { owner: `owner-${index}`, until },
          at: at(5),
        }),
      ),
    );
    expect(claims.filter((claim) => claim !== undefined)).toEqual([{ logOffset: 0, stop: false }]);
    const record = await read(id);
    expect(record.work).toMatchObject([{ state: 'running', startedAt: at(5), leaseUntil: until }]);
    expect(record.build.version).toBe(version + 1);
  });

  it('refuses another attempt than the present one, and work that is not there', async () => {
    const { records, seed, change } = ground();
    const { id } = await seed();
    await change(id, { addWork: [platformWork] });
    const key = { buildId: id, kind: 'platform', name: platformWork.name } as const;
    const claim = { lease: { owner, until: at(1000) }, at: at(0) };
    expect(await records.claimWork({ ...claim, key, attempt: 2 })).toBeUndefined();
    const unknown = { ...key, name: 'web linux/s390x' };
    expect(await records.claimWork({ ...claim, key: unknown, attempt: 1 })).toBeUndefined();
  });
}

function itTakesOver(ground: () => Ground): void {
  it('gives running work to another owner only when the lease is over', async () => {
    const { records, seedRunning, read } = ground();
    const key = await seedRunning(platformWork);
    const lease = { owner: other, until: at(30_000) };
    const claim = { key, attempt: 1, lease };
    expect(await records.claimWork({ ...claim, at: at(9999) })).toBeUndefined();
    expect(await records.claimWork({ ...claim, at: at(10_000) })).toBeDefined();
    // The attempt began when it was first claimed.
    expect((await read(key.buildId)).work).toMatchObject([{ startedAt: at(0), attempt: 1 }]);
  });

  it('lets an owner whose work was taken over do nothing more', async () => {
    const { records, seedRunning, read } = ground();
    const key = await seedRunning(platformWork);
    const lease = { owner: other, until: at(30_000) };
    await records.claimWork({ key, attempt: 1, lease, at: at(20_000) });
    const { version } = (await read(key.buildId)).build;
    const lost = { held: false, stop: false };
    expect(await records.renewWork({ key, lease: { owner, until: at(99_000) } })).toEqual(lost);
    const finish = { key, outcome: built, at: at(21_000) };
    expect(await records.finishWork({ ...finish, owner })).toEqual({ finished: false, version });
    const piece = { image: 'web', platform: 'p', fromOffset: 0, toOffset: 2, text: 'x\n' };
    expect(await records.appendLog({ key, owner, piece, at: at(21_000) })).toBe(false);
    const finished = { finished: true, version: version + 1 };
    expect(await records.finishWork({ ...finish, owner: other })).toEqual(finished);
  });

  it('goes on where the log of the attempt ends, and at 0 for the next attempt', async () => {
    const { records, seedRunning, change } = ground();
    const key = await seedRunning(platformWork);
    const piece = { image: 'web', platform: 'p', fromOffset: 0, toOffset: 2, text: 'x\n' };
    await records.appendLog({ key, owner, piece, at: at(1) });
    const lease = { owner: other, until: at(30_000) };
    const claim = { key, attempt: 1, lease };
    expect(await records.claimWork({ ...claim, at: at(10_000) })).toMatchObject({ logOffset: 2 });
    const outcome = { state: 'failed', failure: { reason: 'BuilderLost' } } as const;
    await records.finishWork({ key, owner: other, outcome, at: at(11_000) });
    await change(key.buildId, { retryWork: [{ key, notBefore: at(12_000) }] });
    const next = await records.claimWork({ ...claim, attempt: 2, at: at(12_000) });
    expect(next).toEqual({ logOffset: 0, stop: false });
  });
}

function itRenews(ground: () => Ground): void {
  it('prolongs a lease without raising the version', async () => {
    const { records, seedRunning, read } = ground();
    const key = await seedRunning(platformWork);
    const { version } = (await read(key.buildId)).build;
    const renewed = await records.renewWork({ key, lease: { owner, until: at(50_000) } });
    expect(renewed).toEqual({ held: true, stop: false });
    const record = await read(key.buildId);
    expect(record.build.version).toBe(version);
    expect(record.work).toMatchObject([{ leaseUntil: at(50_000) }]);
  });

  it('tells the holder to stop once a cancel is asked for or the build is being stopped', async () => {
    const { records, seedRunning, change } = ground();
    const canceled = await seedRunning(platformWork);
    await records.requestCancel({ buildId: canceled.buildId, by: 'ada', reason: 'no', at: at(1) });
    const failing = await seedRunning(platformWork);
    await change(failing.buildId, { state: 'canceling', failure: { reason: 'BuildFailed' } });
    const lease = { owner, until: at(20_000) };
    const stop = { held: true, stop: true };
    expect(await records.renewWork({ key: canceled, lease })).toEqual(stop);
    expect(await records.renewWork({ key: failing, lease })).toEqual(stop);
    const claim = { key: failing, attempt: 1, lease: { ...lease, owner: other }, at: at(30_000) };
    expect(await records.claimWork(claim)).toMatchObject({ stop: true });
  });
}

function itFinishes(ground: () => Ground): void {
  it('keeps the outcome, frees the lease, and does so once', async () => {
    const { records, seedRunning, read } = ground();
    const key = await seedRunning(platformWork);
    const finish = { key, owner, outcome: built, at: at(900) };
    const { version } = await records.finishWork(finish);
    expect(await records.finishWork(finish)).toEqual({ finished: false, version });
    const record = await read(key.buildId);
    expect(record.build.version).toBe(version);
    const { state, result } = built;
    expect(record.work).toMatchObject([
      { state, result, failure: null, leaseUntil: null, finishedAt: at(900) },
    ]);
    const again = { key, attempt: 1, lease: { owner: other, until: at(99_000) }, at: at(50_000) };
    expect(await records.claimWork(again)).toBeUndefined();
  });

  it('keeps a failure, with what was found out all the same, and a cancel without one', async () => {
    const { records, seedRunning, read } = ground();
    const failure = { reason: 'BuildFailed', exitCode: 3 } as const;
    const found = { state: 'failed', failure, result: { warnings: [] } } as const;
    const refused = await seedRunning(preflightWork);
    await records.finishWork({ key: refused, owner, outcome: found, at: at(1) });
    expect((await read(refused.buildId)).work).toMatchObject([found]);
    const failed = await seedRunning(platformWork);
    await records.finishWork({
      key: failed,
      owner,
      outcome: { state: 'failed', failure },
      at: at(1),
    });
    const canceled = await seedRunning(platformWork);
    await records.finishWork({ key: canceled, owner, outcome: { state: 'canceled' }, at: at(1) });
    const failedWork = { state: 'failed', failure, result: null };
    expect((await read(failed.buildId)).work).toMatchObject([failedWork]);
    const none = { state: 'canceled', failure: null, result: null };
    expect((await read(canceled.buildId)).work).toMatchObject([none]);
  });

  it('finishes nothing for a build that is not there', async () => {
    const key = { buildId: '01JNONE', kind: 'preflight', name: 'preflight' } as const;
    const finish = { key, owner, outcome: { state: 'canceled' } as const, at: at(0) };
    expect(await ground().records.finishWork(finish)).toMatchObject({ finished: false });
  });
}
