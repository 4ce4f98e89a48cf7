/** What publishers tell each other: the newest build per tag, whether it may move, and who has the repository now. */
import type { BuildRecords, ImageTag } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';

type Inputs = { [Name in keyof BuildRecords]: Parameters<BuildRecords[Name]>[0] };

export async function claimTag(
  db: Kysely<Schema>,
  { repository, tag, buildNumber }: Inputs['claimTag'],
): Promise<boolean> {
  const { rows } = await sql`
    insert into tags (repository, tag, build_number)
    values (${repository}, ${tag}, ${buildNumber})
    on conflict (repository, tag) do update set build_number = excluded.build_number
      where tags.build_number <= excluded.build_number
    returning tag`.execute(db);
  return rows.length === 1;
}

export async function noteTagMove(
  db: Kysely<Schema>,
  { repository, tag, proven }: Inputs['noteTagMove'],
): Promise<void> {
  await db
    .updateTable('tags')
    .set({ proven })
    .where('repository', '=', repository)
    .where('tag', '=', tag)
    .where('proven', '<>', proven)
    .execute();
}

export async function listUnprovenTags(
  db: Kysely<Schema>,
  tags: readonly ImageTag[],
): Promise<ImageTag[]> {
  const repositories = tags.map(({ repository }) => repository);
  const { rows } = await sql<ImageTag>`
    select asked.repository, asked.tag
    from unnest(${repositories}::text[], ${tags.map(({ tag }) => tag)}::text[]) with ordinality
      as asked (repository, tag, place)
    left join tags using (repository, tag)
    where not coalesce(tags.proven, exists (select from tags as known where known.repository = asked.repository))
    order by asked.place`.execute(db);
  return rows;
}

export async function lockRepository(
  db: Kysely<Schema>,
  { repository, lease, at }: Inputs['lockRepository'],
): Promise<boolean> {
  const { rows } = await sql`
    insert into repository_locks as held (repository, owner, until)
    values (${repository}, ${lease.owner}, ${lease.until})
    on conflict (repository) do update set owner = excluded.owner, until = excluded.until
      where held.until <= ${at}::timestamptz or held.owner = excluded.owner
    returning repository`.execute(db);
  return rows.length === 1;
}

export async function unlockRepository(
  db: Kysely<Schema>,
  { repository, owner }: Inputs['unlockRepository'],
): Promise<void> {
  await db
    .deleteFrom('repository_locks')
    .where('repository', '=', repository)
    .where('owner', '=', owner)
    .execute();
}
