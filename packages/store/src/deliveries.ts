import type { BuildEvent } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import { isUniqueViolation } from './error-code.ts';
import type { Schema } from './schema.ts';
import { storableJson } from './stored-text.ts';

export type ReopenAnswer =
  | { readonly ok: true; readonly version: number }
  /**
   * `NoDelivery`: the build has not ended, or never had a delivery. `Busy`: another build of the app is live.
   * `NewerRelease`: whoever acts on deliveries would go back to an older one.
   */
  | { readonly ok: false; readonly why: 'NoDelivery' | 'Busy' | 'NewerRelease' };

export interface Deliveries {
  /**
   * Puts an ended build back to `releasing`, with its delivery pending again under the same delivery id; a build that
   * failed only for its hook may so succeed after all.
   */
  reopenDelivery(input: { buildId: string; by: string; at: Date }): Promise<ReopenAnswer>;
}

export function createDeliveries(db: Kysely<Schema>): Deliveries {
  return { reopenDelivery: (input) => reopenDelivery(db, input) };
}

async function reopenDelivery(
  db: Kysely<Schema>,
  { buildId, by, at }: Parameters<Deliveries['reopenDelivery']>[0],
): Promise<ReopenAnswer> {
  const event: BuildEvent = { type: 'redelivery.requested', by };
  if (await hasNewerRelease(db, buildId)) return { ok: false, why: 'NewerRelease' };
  try {
    const { rows } = await sql<{ version: number }>`
      with b as (
        update builds set
          state = 'releasing', failure = null, finished_at = null,
          version = version + 1, last_seq = last_seq + 1, ask_again_at = ${at}::timestamptz,
          deadline_at = greatest(deadline_at, ${at}::timestamptz)
        where id = ${buildId} and state in ('succeeded', 'failed')
          and exists (
            select from work where work.build_id = builds.id and work.kind = 'delivery'
              and work.state in ('succeeded', 'failed')
          )
        returning id, version, last_seq
      ), reopened as (
        update work set
          state = 'pending', attempt = 1, not_before = null, lease_owner = null, lease_until = null,
          started_at = null, finished_at = null, failure = null,
          past_failures = '[]'::jsonb, result = null
        from b where work.build_id = b.id and work.kind = 'delivery'
      ), told as (
        insert into output (build_id, seq, at, event)
        select id, last_seq, ${at}::timestamptz, ${storableJson(event)}::jsonb from b
      )
      select version from b`.execute(db);
    const [row] = rows;
    return row ? { ok: true, version: row.version } : { ok: false, why: 'NoDelivery' };
  } catch (error) {
    if (isUniqueViolation(error)) return { ok: false, why: 'Busy' };
    throw error;
  }
}

async function hasNewerRelease(db: Kysely<Schema>, buildId: string): Promise<boolean> {
  const newer = await db
    .selectFrom('releases as own')
    .innerJoin('releases as newer', 'newer.app_id', 'own.app_id')
    .select('newer.version')
    .where('own.build_id', '=', buildId)
    .whereRef('newer.version', '>', 'own.version')
    .limit(1)
    .executeTakeFirst();
  return newer !== undefined;
}
