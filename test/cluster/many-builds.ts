/** Many builds at once: they are written into the record, as pushes of as many apps that have built before would leave it. */
import { createIds } from '@hephy/runtime';
import type { OpenDatabase } from '@hephy/store';
import { sql } from 'kysely';

export interface BuildsToPut {
  /** The id of a build that there is; theirs are the same but for the app, the repository and their course. */
  readonly like: string;
  readonly count: number;
  /** `queued`: as a push leaves it. `building`: after its preflight, with every platform still to be built. */
  readonly state: 'queued' | 'building';
  /** Of the images, each `registry/repository`; the builds share them in turns, since one is published after the other. */
  readonly repositories: readonly string[];
}

/** Answers their ids, the oldest first. Each is of an app of its own: an app has one build at a time. */
export async function putBuilds(
  { like, count, state, repositories }: BuildsToPut,
  { db }: Pick<OpenDatabase, 'db'>,
): Promise<string[]> {
  const newId = createIds({ now: () => new Date(), random: Math.random });
  const ids = Array.from({ length: count }, () => newId());
  const places = ids.map((_, at) => repositories[at % repositories.length]);
  await sql`
    with made as (
      select id, repository, place
      from unnest(${ids}::text[], ${places}::text[]) with ordinality as made (id, repository, place)
    ), app as (
      insert into apps (id, name, settings, created_at, last_build_number)
      select made.id, 'many-' || lower(made.id), apps.settings, now(), 1
      from made, builds join apps on apps.id = builds.app_id where builds.id = ${like}
    ), build as (
      insert into builds
      select filled.*
      from made, builds as template, jsonb_populate_record(template, jsonb_build_object(
        'id', made.id, 'app_id', made.id, 'number', 1, 'state', ${state}::text, 'version', 1, 'last_seq', 0,
        'log_bytes', 0, 'plan', jsonb_set(template.plan, '{images,0,repository}', to_jsonb(made.repository)),
        'created_at', now(), 'started_at', case when ${state}::text = 'building' then now() end,
        'finished_at', null, 'failure', null, 'ref_moved_at', null, 'moves_ref', false, 'request_key', null,
        'ask_again_at', now() + made.place * interval '1 microsecond',
        'deadline_at', now() + interval '6 hours')) as filled
      where template.id = ${like}
    ), proven as (
      insert into tags (repository, tag, build_number, proven)
      select distinct repository, 'latest', 0, true from made on conflict do nothing
    )
    insert into work (build_id, app_id, kind, name, image, platform, state, attempt, started_at, finished_at, result)
    select made.id, made.id, work.kind, work.name, work.image, work.platform,
      case work.kind when 'preflight' then 'succeeded' else 'pending' end, 1,
      case work.kind when 'preflight' then now() end, case work.kind when 'preflight' then now() end,
      case work.kind when 'preflight' then '{"warnings": []}'::jsonb end
    from made, work
    where ${state}::text = 'building' and work.build_id = ${like} and work.kind in ('preflight', 'platform')
    order by made.place`.execute(db);
  return ids;
}
