import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const provenTags: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`alter table tags add column proven boolean not null default false`.execute(db);
    // Not checked against the rows that there are: they have passed a stricter one.
    await sql`alter table work drop constraint work_kind_check, add constraint work_kind_check check
      (kind in ('preflight', 'publication-preflight', 'platform', 'publication', 'delivery')) not valid`.execute(
      db,
    );
  },
};
