/**
 * Claim, renew, finish. Each write locks the build's row first and the work's row second, as `applyChange` does, so that
 * two of them cannot wait for each other; the condition is checked again under these locks.
 */
import {
  eventsOfClaim,
  eventsOfFinish,
  type BuildEvent,
  type BuildPlan,
  type BuildRecords,
  type Work,
  type WorkKey,
} from '@hephy/core';
import { sql, type Kysely, type RawBuilder } from 'kysely';
import { workOfRow } from './read-build.ts';
import type { Schema } from './schema.ts';
import { storableJson } from './stored-text.ts';

type Inputs = { [Name in keyof BuildRecords]: Parameters<BuildRecords[Name]>[0] };
type Answers = { [Name in keyof BuildRecords]: Awaited<ReturnType<BuildRecords[Name]>> };

export async function claimWork(
  db: Kysely<Schema>,
  { key, attempt, lease, at }: Inputs['claimWork'],
): Promise<Answers['claimWork']> {
  const before = await readWork(db, key);
  if (!before || before.work.attempt !== attempt) return undefined;
  const free =
    before.work.state === 'pending'
      ? sql`work.state = 'pending'`
      : sql`work.state = 'running' and work.lease_until <= ${at}::timestamptz`;
  const claimed = await writeWork(db, {
    key,
    at,
    events: eventsOfClaim(before.work),
    condition: sql`work.attempt = ${attempt}::integer and ${free}`,
    set: sql`state = 'running',
      started_at = coalesce(started_at, ${at}::timestamptz),
      lease_owner = ${lease.owner},
      lease_until = ${lease.until}::timestamptz`,
    lookBy: lease.until,
  });
  return claimed && { logOffset: claimed.log_offset, stop: claimed.stop };
}

export async function renewWork(
  db: Kysely<Schema>,
  { key, lease }: Inputs['renewWork'],
): Promise<Answers['renewWork']> {
  const { rows } = await sql<{ stop: boolean }>`
    update work set lease_until = ${lease.until}::timestamptz
    from builds
    where builds.id = work.build_id and ${keyIs(key)}
      and work.state = 'running' and work.lease_owner = ${lease.owner}
    returning ${stop} as stop`.execute(db);
  const [row] = rows;
  return row ? { held: true, stop: row.stop } : { held: false, stop: false };
}

export async function finishWork(
  db: Kysely<Schema>,
  { key, owner, outcome, at }: Inputs['finishWork'],
): Promise<Answers['finishWork']> {
  const before = await readWork(db, key);
  if (!before) return { finished: false, version: 0 };
  const { work, plan, version } = before;
  // What is read here stays so while the lease is ours, and the write happens only under it.
  if (before.owner !== owner) return { finished: false, version };
  const failure = outcome.state === 'failed' ? storableJson(outcome.failure) : null;
  const result = 'result' in outcome ? storableJson(outcome.result) : null;
  const finished = await writeWork(db, {
    key,
    at,
    events: eventsOfFinish({ work, plan, outcome, at }),
    condition: sql`work.state = 'running' and work.lease_owner = ${owner}`,
    set: sql`state = ${outcome.state},
      finished_at = ${at}::timestamptz,
      failure = ${failure}::jsonb,
      result = ${result}::jsonb,
      lease_owner = null,
      lease_until = null`,
  });
  return finished ? { finished: true, version: finished.version } : { finished: false, version };
}

/** Whether who works for this build has to end; a build cannot be canceled any more once it publishes. */
const stop = sql<boolean>`(builds.cancel_at is not null
  or builds.state in ('canceling', 'succeeded', 'failed', 'canceled', 'superseded'))`;

interface WorkBefore {
  readonly work: Work;
  readonly owner: string | null;
  readonly plan: BuildPlan;
  readonly version: number;
}

async function readWork(db: Kysely<Schema>, key: WorkKey): Promise<WorkBefore | undefined> {
  const row = await db
    .selectFrom('work')
    .innerJoin('builds', 'builds.id', 'work.build_id')
    .selectAll('work')
    .select(['builds.plan', 'builds.version'])
    .where('work.build_id', '=', key.buildId)
    .where('work.kind', '=', key.kind)
    .where('work.name', '=', key.name)
    .executeTakeFirst();
  return (
    row && { work: workOfRow(row), owner: row.lease_owner, plan: row.plan, version: row.version }
  );
}

interface Written {
  readonly log_offset: number;
  readonly version: number;
  readonly stop: boolean;
}

/** Sets the work's columns if the condition holds, raises the build's version, and appends the events: all or nothing. */
async function writeWork(
  db: Kysely<Schema>,
  input: {
    key: WorkKey;
    at: Date;
    events: readonly BuildEvent[];
    condition: RawBuilder<unknown>;
    set: RawBuilder<unknown>;
    /** When the build has to be looked at again, if not before. */
    lookBy?: Date;
  },
): Promise<Written | undefined> {
  const { key, at, events } = input;
  const lookBy = input.lookBy ?? null;
  const { rows } = await sql<Written>`
    with locked as (
      select id from builds where id = ${key.buildId} for no key update
    ), w as (
      update work set ${input.set}
      from locked
      where work.build_id = locked.id and ${keyIs(key)} and ${input.condition}
      returning work.build_id, work.log_offset
    ), b as (
      update builds set
        version = version + 1,
        last_seq = last_seq + ${events.length}::bigint,
        ask_again_at = least(ask_again_at, ${lookBy}::timestamptz)
      from w where builds.id = w.build_id
      returning builds.id, builds.last_seq, builds.version, w.log_offset, ${stop} as stop
    ), told as (
      insert into output (build_id, seq, at, event)
      select b.id, b.last_seq - ${events.length}::bigint + item.place, ${at}::timestamptz, item.event
      from b, jsonb_array_elements(${storableJson(events)}::jsonb) with ordinality as item (event, place)
    )
    select log_offset, version, stop from b`.execute(db);
  return rows[0];
}

function keyIs({ buildId, kind, name }: WorkKey): RawBuilder<boolean> {
  return sql`work.build_id = ${buildId} and work.kind = ${kind} and work.name = ${name}`;
}
