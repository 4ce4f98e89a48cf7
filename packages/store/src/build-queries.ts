/** What the API asks of the record. Every list goes down an index and stops at its limit. */
import type { Build, BuildEvent, BuildRecord, BuildState, Delivery } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import { readEvents } from './build-output.ts';
import { isLive } from './live.ts';
import {
  buildOf,
  readBuild,
  recordOf,
  selectBuilds,
  selectRecords,
  workOfRow,
} from './read-build.ts';
import type { Schema } from './schema.ts';

/** The most entries of one page. */
export const maxPageSize = 100;

export interface BuildFilter {
  readonly appId?: string;
  /** Only builds of apps that this user is a member of. */
  readonly memberId?: string;
  readonly state?: BuildState;
  /** The whole name, such as `refs/heads/main`. */
  readonly ref?: string;
  /** Lower-case hexadecimal digits, at least 4. */
  readonly shaPrefix?: string;
  /** The id of the last build of the page before. */
  readonly before?: string;
  readonly limit: number;
}

/** A delivery with the facts of its build that a list shows. */
export interface DeliveryEntry {
  readonly delivery: Delivery;
  readonly appId: string;
  readonly appName: string;
  readonly buildNumber: number;
}

export interface LiveBuild {
  readonly id: string;
  readonly number: number;
  readonly pushedBy: string;
  readonly deadlineAt: Date;
}

export interface BuildQueries {
  /** Newest first. */
  listBuilds(filter: BuildFilter): Promise<Build[]>;
  readBuild(buildId: string): Promise<BuildRecord | undefined>;
  findBuild(input: { appId: string; number: number }): Promise<BuildRecord | undefined>;
  /** The newest builds of an app, with their work. */
  listRecords(input: { appId: string; limit: number }): Promise<BuildRecord[]>;
  countLiveBuilds(): Promise<number>;
  /** The app's build that has not ended: there is one at most, and it need not be the newest. */
  findLiveBuild(appId: string): Promise<LiveBuild | undefined>;
  /** The sha256 of the source of every build that has not ended. */
  listLiveSources(): Promise<string[]>;
  findLatestSucceeded(appId: string): Promise<BuildRecord | undefined>;
  readEvents(input: {
    buildId: string;
    afterSeq: number;
    limit: number;
  }): Promise<{ seq: number; at: Date; event: BuildEvent }[]>;
  /** Newest first. `before` is the delivery id of the last entry of the page before. */
  listDeliveries(input: {
    appId: string;
    before?: string;
    limit: number;
  }): Promise<DeliveryEntry[]>;
  /** The delivery of a build's release, for showing it or sending it again under the same id. */
  readDelivery(buildId: string): Promise<DeliveryEntry | undefined>;
}

export function createBuildQueries(db: Kysely<Schema>): BuildQueries {
  return {
    listBuilds: (filter) => listBuilds(db, filter),
    readBuild: (buildId) => readBuild(db, buildId),
    async findBuild({ appId, number }) {
      const row = await selectRecords(db)
        .where('builds.app_id', '=', appId)
        .where('builds.number', '=', number)
        .executeTakeFirst();
      return row && recordOf(row);
    },
    listRecords: (input) => listRecords(db, input),
    async listLiveSources() {
      const rows = await db
        .selectFrom('builds')
        .select('source_sha256')
        .distinct()
        .where(isLive)
        .execute();
      return rows.map((row) => row.source_sha256);
    },
    async countLiveBuilds() {
      const { count } = await db
        .selectFrom('builds')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where(isLive)
        .executeTakeFirstOrThrow();
      return count;
    },
    findLiveBuild: (appId) =>
      db
        .selectFrom('builds')
        .select(['id', 'number', 'pushed_by as pushedBy', 'deadline_at as deadlineAt'])
        .where('app_id', '=', appId)
        .where(isLive)
        .executeTakeFirst(),
    async findLatestSucceeded(appId) {
      const row = await selectRecords(db)
        .where('builds.app_id', '=', appId)
        .where('builds.state', '=', 'succeeded')
        .orderBy('builds.number', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && recordOf(row);
    },
    readEvents: (input) => readEvents(db, { ...input, limit: pageSize(input.limit) }),
    listDeliveries: (input) => listDeliveries(db, input),
    async readDelivery(buildId) {
      const row = await selectDeliveries(db)
        .where('work.build_id', '=', buildId)
        .orderBy('work.position')
        .executeTakeFirst();
      return row && deliveryOf(row);
    },
  };
}

function pageSize(limit: number): number {
  return Math.min(Math.max(1, limit), maxPageSize);
}

async function listBuilds(db: Kysely<Schema>, filter: BuildFilter): Promise<Build[]> {
  const { appId, memberId, state, ref, shaPrefix, before } = filter;
  // Of one app, ids and numbers go the same way.
  const column = appId === undefined ? 'id' : 'number';
  const order = `builds.${column}` as const;
  let query = selectBuilds(db).orderBy(order, 'desc').limit(pageSize(filter.limit));
  if (appId !== undefined) query = query.where('builds.app_id', '=', appId);
  if (memberId !== undefined) {
    query = query.where('builds.app_id', 'in', (eb) =>
      eb.selectFrom('members').select('app_id').where('user_id', '=', memberId),
    );
  }
  if (state !== undefined) query = query.where('builds.state', '=', state);
  if (ref !== undefined) query = query.where('builds.ref', '=', ref);
  if (before !== undefined) {
    query = query.where(order, '<', (eb) =>
      eb.selectFrom('builds as last').select(`last.${column}`).where('last.id', '=', before),
    );
  }
  if (shaPrefix !== undefined) {
    if (!/^[0-9a-f]{4,40}$/.test(shaPrefix)) return [];
    query = query.where('builds.sha', 'like', `${shaPrefix}%`);
  }
  return (await query.execute()).map(buildOf);
}

async function listRecords(
  db: Kysely<Schema>,
  { appId, limit }: { appId: string; limit: number },
): Promise<BuildRecord[]> {
  const rows = await selectRecords(db)
    .where('builds.app_id', '=', appId)
    .orderBy('builds.number', 'desc')
    .limit(pageSize(limit))
    .execute();
  return rows.map(recordOf);
}

function selectDeliveries(db: Kysely<Schema>) {
  return (
    db
      .selectFrom('work')
      .innerJoin('builds', 'builds.id', 'work.build_id')
      .innerJoin('apps', 'apps.id', 'work.app_id')
      .selectAll('work')
      .select(['apps.name as app_name', 'builds.number'])
      // A literal, so that the partial index of deliveries is used.
      .where(sql<boolean>`work.kind = 'delivery'`)
  );
}

async function listDeliveries(
  db: Kysely<Schema>,
  { appId, before, limit }: { appId: string; before?: string; limit: number },
): Promise<DeliveryEntry[]> {
  let query = selectDeliveries(db)
    .where('work.app_id', '=', appId)
    .orderBy('work.position', 'desc')
    .limit(pageSize(limit));
  if (before !== undefined) {
    query = query.where('work.position', '<', (eb) =>
      eb.selectFrom('work as last').select('last.position').where('last.delivery_id', '=', before),
    );
  }
  return (await query.execute()).map(deliveryOf);
}

type DeliveryRow = Parameters<typeof workOfRow>[0] & { app_name: string; number: number };

function deliveryOf(row: DeliveryRow): DeliveryEntry {
  const delivery = workOfRow(row);
  if (delivery.kind !== 'delivery') throw new Error(`${row.name} is no delivery`);
  return { delivery, appId: row.app_id, appName: row.app_name, buildNumber: row.number };
}
