/** How far many builds are, by the record: to ask the API or the cluster for each would be the load that is measured. */
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenDatabase } from '@hephy/store';
import { sql } from 'kysely';

type Counted = Pick<OpenDatabase, 'db'>;

/** Seldom enough for the database not to notice. */
const lookEveryMs = 500;
const withinMs = 240_000;

export interface BuildCounts {
  /** Platform builds whose pods run and whose logs are followed: some of each has been stored. */
  readonly followed: number;
  readonly succeeded: number;
}

/** Throws once a build has ended in another way. */
export async function countBuilds({ db }: Counted): Promise<BuildCounts> {
  const { rows } = await sql<BuildCounts & { lost: number; why: string | null }>`
    select
      (select count(*)::int from work
        where state = 'running' and kind = 'platform' and log_offset > 0) as followed,
      count(*) filter (where state = 'succeeded')::int as succeeded,
      count(*) filter (where state in ('failed', 'canceled'))::int as lost,
      max(failure::text) as why
    from builds`.execute(db);
  const [counts] = rows;
  if (!counts) throw new Error('a count has no row');
  if (counts.lost > 0) throw new Error(`${counts.lost} builds were lost: ${counts.why}`);
  return counts;
}

/** Answers the counts once they are as asked; throws after four minutes, or once a build is lost. */
export async function untilCounted(
  what: string,
  isEnough: (counts: BuildCounts) => boolean,
  database: Counted,
): Promise<BuildCounts> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const counts = await countBuilds(database);
    if (isEnough(counts)) return counts;
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${withinMs / 1000} s, but ${JSON.stringify(counts)}`);
    }
    await delay(lookEveryMs);
  }
}
