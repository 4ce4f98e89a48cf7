import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const pastFailures: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`alter table work add column past_failures jsonb not null default '[]'`.execute(db);
  },
};
