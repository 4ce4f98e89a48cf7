import { sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import { afterAll, describe, expect, it } from 'vitest';
import { startPostgres } from '../../../../test/parts/postgres.ts';
import { makeGround, platformWork, preflightWork } from '../conformance/ground.ts';
import { migrate } from '../migrate.ts';
import { openDatabase, type OpenDatabase } from '../open-database.ts';
import { recordsOf } from '../open-for-test.ts';
import { first } from './0001-first.ts';
import { sourceGrants } from './0002-source-grants.ts';
import { pastFailures } from './0003-past-failures.ts';
import { seenPlatforms } from './0004-seen-platforms.ts';
import { superseded } from './0005-superseded.ts';

const before = {
  '0001-first': first,
  '0002-source-grants': sourceGrants,
  '0003-past-failures': pastFailures,
  '0004-seen-platforms': seenPlatforms,
  '0005-superseded': superseded,
};

const postgres = startPostgres();
afterAll(async () => (await postgres).stop());

describe.each([
  ['PGlite', async () => openDatabase({ directory: undefined })],
  ['PostgreSQL', async () => openDatabase({ url: await (await postgres).createDatabase() })],
])('a %s of the version before', (_, open: () => Promise<OpenDatabase>) => {
  it('keeps its builds, knows of no tag that it may move, and takes the new work', async () => {
    const opened = await open();
    const { db } = opened;
    const migrator = new Migrator({ db, provider: { getMigrations: async () => before } });
    expect((await migrator.migrateToLatest()).error).toBeUndefined();
    const ground = makeGround(recordsOf(opened));
    const key = await ground.seedRunning(preflightWork);
    await ground.change(key.buildId, { addWork: [platformWork] });
    const record = await ground.read(key.buildId);
    const [latest, next] = ['latest', 'next'].map((tag) => ({ repository: 'r.test/shop', tag }));
    if (!latest || !next) throw new Error('two tags');
    expect(await ground.records.claimTag({ ...latest, buildNumber: 7 })).toBe(true);

    await migrate(db);
    expect(await ground.read(key.buildId)).toEqual(record);
    expect(await ground.records.listUnprovenTags([latest, next])).toEqual([latest]);
    expect(await ground.records.claimTag({ ...latest, buildNumber: 6 })).toBe(false);
    const asking = { kind: 'publication-preflight', name: 'publication-preflight' } as const;
    await ground.change(key.buildId, { addWork: [asking] });
    expect((await ground.read(key.buildId)).work).toMatchObject([
      preflightWork,
      platformWork,
      asking,
    ]);
    const unknown = sql`update work set kind = 'other'`.execute(db);
    await expect(unknown).rejects.toThrow('work_kind_check');
    await opened.close();
  });
});
