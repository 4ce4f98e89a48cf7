import { eventsOf, isTerminal, type BuildChange, type BuildRecords } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import { readBuild } from './read-build.ts';
import type { Schema } from './schema.ts';
import { storableJson } from './stored-text.ts';

type Input = Parameters<BuildRecords['applyChange']>[0];

/** One statement; two where an event needs the work's failure; a transaction where a release takes the app's counter. */
export async function applyChange(db: Kysely<Schema>, input: Input): Promise<boolean> {
  const { change, buildId, version } = input;
  if (change.release) return db.transaction().execute((tx) => applyRelease(tx, input));
  if (!change.retryWork) return write(db, input, { events: eventsOf(change, noFacts) });
  const record = await readBuild(db, buildId);
  if (record?.build.version !== version) return false;
  return write(db, input, { events: eventsOf(change, { ...noFacts, work: record.work }) });
}

const noFacts = { appName: '', work: [], releaseVersion: undefined };

async function applyRelease(tx: Kysely<Schema>, input: Input): Promise<boolean> {
  const { change, buildId } = input;
  const app = await tx
    .selectFrom('apps')
    .where('id', '=', (eb) =>
      eb.selectFrom('builds').select('app_id').where('builds.id', '=', buildId),
    )
    .select(['name', 'last_release_version'])
    .forNoKeyUpdate()
    .executeTakeFirst();
  // After the lock: another process may have given this build its release while we waited for it.
  const record = await readBuild(tx, buildId);
  if (!app || !record || record.build.version !== input.version) return false;
  const releaseVersion = record.release ? undefined : app.last_release_version + 1;
  const events = eventsOf(change, { appName: app.name, work: record.work, releaseVersion });
  return write(tx, input, { events, releaseVersion });
}

async function write(
  db: Kysely<Schema>,
  { buildId, version, change, at, newId }: Input,
  facts: { events: ReturnType<typeof eventsOf>; releaseVersion?: number | undefined },
): Promise<boolean> {
  const { events } = facts;
  const releaseVersion = facts.releaseVersion ?? null;
  const { rows } = await sql`
    with b as (
      update builds set
        version = version + 1,
        last_seq = last_seq + ${events.length}::bigint,
        state = coalesce(${change.state ?? null}::text, state),
        failure = coalesce(${change.failure ? storableJson(change.failure) : null}::jsonb, failure),
        started_at = coalesce(${change.state === 'building' ? at : null}::timestamptz, started_at),
        finished_at = coalesce(${isEnd(change) ? at : null}::timestamptz, finished_at)
      where id = ${buildId} and version = ${version}::bigint
      returning id, app_id, last_seq
    ), added as (
      insert into work (build_id, app_id, kind, name, image, platform, delivery_id, state, attempt)
      select b.id, b.app_id, item.kind, item.name, item.image, item.platform, item.delivery_id, 'pending', 1
      from b, jsonb_to_recordset(${addedJson(change, newId)}::jsonb)
        as item (kind text, name text, image text, platform text, delivery_id text)
    ), retried as (
      update work set
        state = 'pending', attempt = work.attempt + 1, not_before = item.not_before,
        lease_owner = null, lease_until = null, started_at = null, finished_at = null,
        past_failures = work.past_failures || coalesce(work.failure, '[]'::jsonb),
        failure = null, result = null, log_offset = 0
      from b, jsonb_to_recordset(${retriedJson(change)}::jsonb)
        as item (kind text, name text, not_before timestamptz)
      where work.build_id = b.id and work.kind = item.kind and work.name = item.name
    ), canceled as (
      update work set state = 'canceled', finished_at = ${at}::timestamptz
      from b, jsonb_to_recordset(${storableJson(change.cancelWork ?? [])}::jsonb) as item (kind text, name text)
      where work.build_id = b.id and work.kind = item.kind and work.name = item.name
        and work.state = 'pending'
    ), counted as (
      update apps set last_release_version = ${releaseVersion}::bigint
      from b where apps.id = b.app_id and ${releaseVersion}::bigint is not null
    ), released as (
      insert into releases (build_id, app_id, version, created_at)
      select b.id, b.app_id, ${releaseVersion}::bigint, ${at}::timestamptz
      from b where ${releaseVersion}::bigint is not null
    ), told as (
      insert into output (build_id, seq, at, event)
      select b.id, b.last_seq - ${events.length}::bigint + item.place, ${at}::timestamptz, item.event
      from b, jsonb_array_elements(${storableJson(events)}::jsonb) with ordinality as item (event, place)
    )
    select id from b`.execute(db);
  return rows.length === 1;
}

function isEnd({ state }: BuildChange): boolean {
  return state !== undefined && isTerminal(state);
}

function addedJson(change: BuildChange, newId: () => string): string {
  const added = (change.addWork ?? []).map((work) =>
    work.kind === 'delivery' ? { ...work, delivery_id: newId() } : work,
  );
  return storableJson(added);
}

function retriedJson(change: BuildChange): string {
  const retried = (change.retryWork ?? []).map(({ key, notBefore }) => ({
    ...key,
    not_before: notBefore,
  }));
  return storableJson(retried);
}
