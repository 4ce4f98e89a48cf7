import type { Build, BuildRecord, Release, Work } from '@hephy/core';
import type { Kysely } from 'kysely';
import { jsonArrayFrom, jsonObjectFrom } from 'kysely/helpers/postgres';
import type { BuildRow, Schema, WorkRow } from './schema.ts';

/** A column of time comes as text where a row was read as JSON. */
type Read<Row> = { [Key in keyof Row]: Date extends Row[Key] ? Row[Key] | string : Row[Key] };

/** One statement, so that build, work and release are of one moment. */
export async function readBuild(
  db: Kysely<Schema>,
  buildId: string,
): Promise<BuildRecord | undefined> {
  const row = await selectRecords(db).where('builds.id', '=', buildId).executeTakeFirst();
  return row && recordOf(row);
}

/** Builds with all their work and release; the caller says which. */
export function selectRecords(db: Kysely<Schema>) {
  return selectBuilds(db).select((eb) => [
    jsonArrayFrom(
      eb
        .selectFrom('work')
        .selectAll('work')
        .whereRef('work.build_id', '=', 'builds.id')
        .orderBy('work.position'),
    ).as('work'),
    jsonObjectFrom(
      eb
        .selectFrom('releases')
        .select(['releases.version', 'releases.created_at'])
        .whereRef('releases.build_id', '=', 'builds.id'),
    ).as('release'),
  ]);
}

/** Builds without their work. */
export function selectBuilds(db: Kysely<Schema>) {
  return db
    .selectFrom('builds')
    .innerJoin('apps', 'apps.id', 'builds.app_id')
    .selectAll('builds')
    .select('apps.name as app_name');
}

export function recordOf(
  row: BuildRow & {
    app_name: string;
    work: Read<WorkRow>[];
    release: { version: number; created_at: string } | null;
  },
): BuildRecord {
  const release: Release | null = row.release && {
    buildId: row.id,
    version: row.release.version,
    createdAt: new Date(row.release.created_at),
  };
  return { build: buildOf(row), work: row.work.map(workOfRow), release };
}

export function buildOf(row: BuildRow & { app_name: string }): Build {
  return {
    id: row.id,
    appId: row.app_id,
    appName: row.app_name,
    number: row.number,
    sha: row.sha,
    ref: row.ref,
    pushedBy: row.pushed_by,
    source: { sha256: row.source_sha256, sizeBytes: row.source_size_bytes },
    plan: row.plan,
    state: row.state,
    failure: row.failure,
    cancelRequest: row.cancel_at && {
      at: row.cancel_at,
      by: row.cancel_by ?? '',
      reason: row.cancel_reason ?? '',
      superseded: row.cancel_superseded,
    },
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    deadlineAt: row.deadline_at,
    version: row.version,
  };
}

export function workOfRow(row: Read<WorkRow>): Work {
  const life = {
    buildId: row.build_id,
    name: row.name,
    state: row.state,
    attempt: row.attempt,
    notBefore: dateOf(row.not_before),
    leaseUntil: dateOf(row.lease_until),
    startedAt: dateOf(row.started_at),
    finishedAt: dateOf(row.finished_at),
    failure: row.failure,
    pastFailures: row.past_failures,
  };
  const image = row.image ?? '';
  // `result` was written by `finishWork` for this kind of work.
  switch (row.kind) {
    case 'preflight':
      return { ...life, kind: row.kind, result: row.result as ResultOf<'preflight'> };
    case 'publication-preflight':
      return { ...life, kind: row.kind, result: row.result as ResultOf<typeof row.kind> };
    case 'platform': {
      const platform = row.platform ?? '';
      return {
        ...life,
        kind: row.kind,
        image,
        platform,
        result: row.result as ResultOf<'platform'>,
      };
    }
    case 'publication':
      return { ...life, kind: row.kind, image, result: row.result as ResultOf<'publication'> };
    case 'delivery': {
      const deliveryId = row.delivery_id ?? '';
      return { ...life, kind: row.kind, deliveryId, result: row.result as ResultOf<'delivery'> };
    }
  }
}

type ResultOf<Kind extends Work['kind']> = Extract<Work, { kind: Kind }>['result'];

function dateOf(value: Date | string | null): Date | null {
  return typeof value === 'string' ? new Date(value) : value;
}
