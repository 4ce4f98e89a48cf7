import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const seenPlatforms: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`create table seen_platforms (
      only_row boolean primary key default true check (only_row),
      platforms jsonb not null,
      seen_at timestamptz not null
    )`.execute(db);
  },
};
