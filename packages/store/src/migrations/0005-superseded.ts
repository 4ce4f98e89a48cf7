import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const superseded: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`alter table builds add column cancel_superseded boolean not null default false`.execute(
      db,
    );
  },
};
