import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApps } from './apps.ts';
import { createBuildQueries, type BuildQueries } from './build-queries.ts';
import { createBuildRecords } from './build-records.ts';
import { at, deliveryWork, makeGround, preflightWork, type Ground } from './conformance/ground.ts';
import { openDatabase, type OpenDatabase } from './open-database.ts';
import { recordsOf, usePostgres } from './open-for-test.ts';
import { createPushes } from './pushes.ts';

const postgres = usePostgres();

describe('listing and finding builds', () => {
  let opened: OpenDatabase;
  let ground: Ground;
  let queries: BuildQueries;
  const app = { appId: 'app-one', appName: 'one' };
  const ids: string[] = [];
  beforeAll(async () => {
    opened = await postgres.openMigrated();
    ground = makeGround(recordsOf(opened));
    queries = createBuildQueries(opened.db);
    for (let number = 1; number <= 6; number += 1) {
      const state = number % 2 === 0 ? 'failed' : 'succeeded';
      const ref = number === 6 ? 'refs/heads/next' : 'refs/heads/main';
      const sha = `${number}`.repeat(40);
      ids.push((await ground.seed({ ...app, number, state, ref, sha })).id);
    }
    ids.push((await ground.seed()).id);
  });
  afterAll(async () => opened.close());
  const numbers = async (filter: Partial<Parameters<BuildQueries['listBuilds']>[0]>) =>
    (await queries.listBuilds({ limit: 100, ...filter })).map(({ id }) => ids.indexOf(id) + 1);

  it('lists the newest first, page by page', async () => {
    expect(await numbers({})).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect(await numbers({ limit: 2 })).toEqual([7, 6]);
    expect(await numbers({ limit: 2, before: ids[5] ?? '' })).toEqual([5, 4]);
    expect(await numbers({ limit: -1 })).toEqual([7]);
  });

  it('filters by app, state, ref and the beginning of the commit, also together', async () => {
    const { appId } = app;
    expect(await numbers({ appId })).toEqual([6, 5, 4, 3, 2, 1]);
    expect(await numbers({ appId, before: ids[3] ?? '', limit: 2 })).toEqual([3, 2]);
    expect(await numbers({ state: 'failed' })).toEqual([6, 4, 2]);
    expect(await numbers({ ref: 'refs/heads/next' })).toEqual([6]);
    expect(await numbers({ shaPrefix: '3333' })).toEqual([3]);
    expect(await numbers({ appId, state: 'failed', ref: 'refs/heads/main' })).toEqual([4, 2]);
    expect(await numbers({ shaPrefix: '333' })).toEqual([]);
    expect(await numbers({ shaPrefix: '333%' })).toEqual([]);
  });

  it('finds a build by its number, the newest success, and how many have not ended', async () => {
    const found = await queries.findBuild({ appId: app.appId, number: 3 });
    expect(found?.build.id).toBe(ids[2]);
    expect((await queries.findLatestSucceeded(app.appId))?.build.number).toBe(5);
    expect(await queries.findBuild({ appId: app.appId, number: 99 })).toBeUndefined();
    expect(await queries.countLiveBuilds()).toBe(1);
  });

  it("lists an app's newest builds with their work", async () => {
    await ground.change(ids[4] ?? '', { addWork: [preflightWork] });
    const records = await queries.listRecords({ appId: app.appId, limit: 3 });
    expect(records.map(({ build, work }) => [build.number, work.map(({ kind }) => kind)])).toEqual([
      [6, []],
      [5, ['preflight']],
      [4, []],
    ]);
  });

  it('shows deliveries with their build', async () => {
    const buildId = ids[2] ?? '';
    expect(await queries.readDelivery(buildId)).toBeUndefined();
    await ground.change(buildId, { addWork: [deliveryWork] });
    const entry = await queries.readDelivery(buildId);
    expect(entry).toMatchObject({ ...app, buildNumber: 3, delivery: { buildId, attempt: 1 } });
    const { appId } = app;
    const before = entry?.delivery.deliveryId ?? '';
    expect(await queries.listDeliveries({ appId, limit: 10 })).toEqual([entry]);
    expect(await queries.listDeliveries({ appId: 'app-two', limit: 10 })).toEqual([]);
    expect(await queries.listDeliveries({ appId, before, limit: 10 })).toEqual([]);
  });

  it('reads the events without the log', async () => {
    const buildId = ids[6] ?? '';
    await ground.change(buildId, { state: 'building' });
    const event = { type: 'build.state', state: 'building' };
    const events = await queries.readEvents({ buildId, afterSeq: 0, limit: 10 });
    expect(events).toMatchObject([{ seq: 1, event }]);
  });
});

describe('with 20,000 builds', () => {
  let url = '';
  beforeAll(async () => {
    const opened = await postgres.openMigrated();
    url = await addManyBuilds(opened, postgres.server().directory);
    await opened.close();
  });

  const id = '01J00000000000000000010000';
  const key = { buildId: id, kind: 'platform', name: 'web linux/arm64' } as const;
  const appId = 'app-0';
  const resting = 'app-19';
  const page = { limit: 100 };
  const lease = { owner: 'o', until: at(1) };
  const piece = { image: 'web', platform: 'p', fromOffset: 0, toOffset: 1, text: '\n' };
  const change = { state: 'building' } as const;
  const retryWork = [{ key, notBefore: at(0) }];
  const event = { type: 'preflight.warning', message: 'x' } as const;
  const cases: Record<string, (parts: Parts) => Promise<unknown>> = {
    readBuild: ({ records }) => records.readBuild(id),
    applyChange: ({ records }) =>
      records.applyChange({ buildId: id, version: 1, change, at: at(0), newId }),
    'applyChange with a retry': ({ records }) =>
      records.applyChange({ buildId: id, version: 2, change: { retryWork }, at: at(0), newId }),
    'applyChange with a release': ({ records }) =>
      records.applyChange({ buildId: id, version: 3, change: { release: true }, at: at(0), newId }),
    setAskAgainAt: ({ records }) => records.setAskAgainAt(id, at(0)),
    listDueBuilds: ({ records }) => records.listDueBuilds({ now: at(1e9), limit: 100 }),
    claimWork: ({ records }) => records.claimWork({ key, attempt: 2, lease, at: at(0) }),
    renewWork: ({ records }) => records.renewWork({ key, lease }),
    appendLog: ({ records }) => records.appendLog({ key, owner: 'o', piece, at: at(0) }),
    appendEvent: ({ records }) => records.appendEvent({ buildId: id, event, at: at(0) }),
    finishWork: ({ records }) =>
      records.finishWork({ key, owner: 'o', outcome: { state: 'canceled' }, at: at(0) }),
    readOutput: ({ records }) => records.readOutput({ buildId: id, afterSeq: 0, limit: 100 }),
    requestCancel: ({ records }) =>
      records.requestCancel({ buildId: id, by: 'a', reason: 'b', at: at(0) }),
    listUnmovedRefs: ({ pushes }) => pushes.listUnmovedRefs(),
    'listUnmovedRefs of an app': ({ pushes }) => pushes.listUnmovedRefs(appId),
    markRefMoved: ({ pushes }) => pushes.markRefMoved(id, at(0)),
    'deleteApp of a busy app': ({ apps }) => apps.deleteApp(appId, at(0)),
    listBuilds: ({ queries }) => queries.listBuilds(page),
    'listBuilds of an app': ({ queries }) => queries.listBuilds({ ...page, appId }),
    'listBuilds of an app that rests': ({ queries }) =>
      queries.listBuilds({ ...page, appId: resting }),
    'listDeliveries of an app that rests': ({ queries }) =>
      queries.listDeliveries({ ...page, appId: resting }),
    'listBuilds in a common state': ({ queries }) =>
      queries.listBuilds({ ...page, state: 'succeeded' }),
    'listBuilds in a rare state': ({ queries }) =>
      queries.listBuilds({ ...page, state: 'canceled' }),
    'listBuilds of an app in a rare state': ({ queries }) =>
      queries.listBuilds({ ...page, appId, state: 'superseded' }),
    'listBuilds of a rare ref': ({ queries }) =>
      queries.listBuilds({ ...page, ref: 'refs/heads/none' }),
    'listBuilds of an app and a rare ref': ({ queries }) =>
      queries.listBuilds({ ...page, appId, ref: 'refs/heads/none' }),
    'listBuilds of a commit': ({ queries }) =>
      queries.listBuilds({ ...page, shaPrefix: 'cfcd2084' }),
    'listBuilds, a later page': ({ queries }) => queries.listBuilds({ ...page, appId, before: id }),
    findBuild: ({ queries }) => queries.findBuild({ appId, number: 401 }),
    findLatestSucceeded: ({ queries }) => queries.findLatestSucceeded(appId),
    findLiveBuild: ({ queries }) => queries.findLiveBuild(appId),
    listRecords: ({ queries }) => queries.listRecords({ appId, limit: 10 }),
    'listRecords of an app that rests': ({ queries }) =>
      queries.listRecords({ appId: resting, limit: 10 }),
    countLiveBuilds: ({ queries }) => queries.countLiveBuilds(),
    readEvents: ({ queries }) => queries.readEvents({ buildId: id, afterSeq: 0, limit: 100 }),
    listDeliveries: ({ queries }) => queries.listDeliveries({ ...page, appId }),
    readDelivery: ({ queries }) => queries.readDelivery(id),
  };

  it.each(Object.entries(cases))(
    '%s reads a few rows, and no table from end to end',
    async (_name, run) => {
      const before = await rowsRead(url);
      const opened = await openDatabase({ url });
      await run(partsOf(opened));
      // A connection reports what it has read when it ends.
      await opened.close();
      const after = await rowsRead(url);
      expect(after.scans - before.scans).toBe(0);
      expect(after.rows - before.rows).toBeLessThan(1000);
    },
  );
});

type Parts = ReturnType<typeof partsOf>;

function partsOf({ db }: OpenDatabase) {
  return {
    records: createBuildRecords(db),
    pushes: createPushes(db),
    apps: createApps(db),
    queries: createBuildQueries(db),
  };
}

const newId = (): string => '01JNEW';

/**
 * Of 20 apps, one of which rests since the middle. One build of each has not ended, one in a hundred was canceled, and
 * the last 40 have their ref unmoved.
 */
async function addManyBuilds({ db }: OpenDatabase, directory: string): Promise<string> {
  await sql`insert into apps (id, name, settings, created_at)
    select 'app-' || n, 'app-' || n, '{}', now() from generate_series(0, 19) n`.execute(db);
  await sql`insert into builds (id, app_id, number, sha, ref, pushed_by, source_sha256, source_size_bytes,
      plan, state, created_at, deadline_at, ask_again_at, moves_ref, ref_moved_at, last_seq)
    select '01J' || lpad(n::text, 23, '0'), 'app-' || case when n % 20 = 19 and n > 10019 then 18 else n % 20 end, n + 1, md5(n::text) || '00000000',
      'refs/heads/main', 'ada', '', 0, '{"images": []}',
      case when n between 10000 and 10019 then 'queued' when n % 100 = 7 then 'canceled'
        when n % 3 = 0 then 'failed' else 'succeeded' end,
      ${at(0)}, ${at(0)}, ${at(0)}, true, case when n < 19960 then ${at(0)}::timestamptz end, 10
    from generate_series(0, 19999) n`.execute(db);
  await sql`insert into work (build_id, app_id, kind, name, image, platform, delivery_id, state, attempt, failure)
    select id, app_id, kind, name, 'web', 'p', case when kind = 'delivery' then id end, 'failed', 1,
      '{"reason": "BuilderLost"}'
    from builds, (values ('preflight', 'preflight'), ('platform', 'web linux/arm64'),
      ('publication', 'web'), ('delivery', 'webhook')) as item (kind, name)`.execute(db);
  await sql`insert into output (build_id, seq, at, event, text)
    select id, n, created_at, case when n = 1 then '{"type": "x"}'::jsonb end, case when n > 1 then 'log' end
    from builds, generate_series(1, 10) n`.execute(db);
  await sql`insert into releases (build_id, app_id, version, created_at)
    select id, app_id, number, created_at from builds where state = 'succeeded'`.execute(db);
  await sql`analyze`.execute(db);
  // Else the server may count all this up to a second later, into what is measured.
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);
  return `postgresql://postgres@localhost/${rows[0]?.name}?host=${encodeURIComponent(directory)}`;
}

/** Whole-table scans, and rows read in any way, of the tables that grow with builds, since the server began. */
async function rowsRead(url: string): Promise<{ scans: number; rows: number }> {
  const { db, close } = await openDatabase({ url });
  const { rows } = await sql<{ scans: number; rows: number }>`
    select sum(seq_scan)::int as scans, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows
    from pg_stat_user_tables where relname in ('builds', 'work', 'output', 'releases')`.execute(db);
  await close();
  const [row] = rows;
  if (!row) throw new Error('no statistics');
  return row;
}
