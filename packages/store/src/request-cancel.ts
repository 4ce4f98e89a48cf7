import { isTerminal, type BuildEvent, type BuildRecords, type BuildState } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import { storableJson, storableText } from './stored-text.ts';

/** Notes the wish once. Asking again, or asking while the build is being stopped, is granted and changes nothing. */
export async function requestCancel(
  db: Kysely<Schema>,
  { buildId, by, reason, superseded = false, at }: Parameters<BuildRecords['requestCancel']>[0],
): Promise<Awaited<ReturnType<BuildRecords['requestCancel']>>> {
  const event: BuildEvent = { type: 'cancel.requested', by, reason };
  const { rows } = await sql<{ state: BuildState; version: number; requested: boolean }>`
    with locked as (
      select id, state, version, cancel_at from builds where id = ${buildId} for no key update
    ), b as (
      update builds set
        cancel_at = ${at}::timestamptz,
        cancel_by = ${storableText(by)},
        cancel_reason = ${storableText(reason)},
        cancel_superseded = ${superseded}::boolean,
        version = builds.version + 1,
        ask_again_at = least(ask_again_at, ${at}::timestamptz),
        last_seq = last_seq + 1
      from locked
      where builds.id = locked.id and locked.cancel_at is null
        and locked.state in ('queued', 'building')
      returning builds.id, builds.version, last_seq
    ), told as (
      insert into output (build_id, seq, at, event)
      select id, last_seq, ${at}::timestamptz, ${storableJson(event)}::jsonb from b
    )
    select locked.state, coalesce(b.version, locked.version) as version,
      (b.id is not null or locked.cancel_at is not null or locked.state = 'canceling') as requested
    from locked left join b on true`.execute(db);
  const [row] = rows;
  if (!row) return { ok: false, why: 'NotFound' };
  if (isTerminal(row.state)) return { ok: false, why: 'Ended' };
  return row.requested ? { ok: true, version: row.version } : { ok: false, why: 'TooLate' };
}
