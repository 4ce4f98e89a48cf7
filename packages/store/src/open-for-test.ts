/** What the tests of this package stand on: a migrated database of each kind, and builds put straight into it. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Build } from '@hephy/core';
import { afterAll, beforeAll } from 'vitest';
import { startPostgres, type Postgres } from '../../../test/parts/postgres.ts';
import type { RecordsUnderTest } from './build-records-conformance.ts';
import { createBuildRecords } from './build-records.ts';
import { migrate } from './migrate.ts';
import { openDatabase, type OpenDatabase, type OpenOptions } from './open-database.ts';
import { storableJson } from './stored-text.ts';

export interface PostgresForTests {
  /** A new database with its tables. */
  openMigrated(options?: OpenOptions): Promise<OpenDatabase>;
  readonly server: () => Postgres;
}

/** One server for the test file that calls this at its top. */
export function usePostgres(): PostgresForTests {
  let server: Postgres | undefined;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => server?.stop());
  const started = (): Postgres => {
    if (!server) throw new Error('the server is started by beforeAll');
    return server;
  };
  return {
    server: started,
    async openMigrated(options) {
      const opened = await openDatabase({ url: await started().createDatabase() }, options);
      await migrate(opened.db);
      return opened;
    },
  };
}

export async function openPgliteMigrated(): Promise<OpenDatabase> {
  const cacheDirectory = join(tmpdir(), 'hephy-builder-tests');
  const opened = await openDatabase({ directory: undefined, cacheDirectory });
  await migrate(opened.db);
  return opened;
}

/** A database as the conformance suite wants it. */
export function recordsOf(opened: OpenDatabase): RecordsUnderTest {
  return {
    records: createBuildRecords(opened.db),
    seedBuild: (build) => seedBuild(opened, build),
    close: opened.close,
  };
}

/** Puts a build into the record as it is, and its app if that is missing. */
export async function seedBuild({ db }: OpenDatabase, build: Build): Promise<void> {
  await db
    .insertInto('apps')
    .values({
      id: build.appId,
      name: build.appName,
      settings: storableJson({}),
      hook_secret: null,
      created_at: build.createdAt,
      deleted_at: null,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  await db
    .insertInto('builds')
    .values({
      id: build.id,
      app_id: build.appId,
      number: build.number,
      sha: build.sha,
      ref: build.ref,
      old_sha: null,
      pushed_by: build.pushedBy,
      note: null,
      source_sha256: build.source.sha256,
      source_size_bytes: build.source.sizeBytes,
      plan: storableJson(build.plan),
      state: build.state,
      failure: build.failure && storableJson(build.failure),
      created_at: build.createdAt,
      deadline_at: build.deadlineAt,
      ask_again_at: build.createdAt,
      moves_ref: true,
      version: build.version,
    })
    .execute();
}
