/** What keeps two publishers apart: the newest build per tag, and one publisher at a time per repository. */
import type { BuildRecords } from '@hephy/core';
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
