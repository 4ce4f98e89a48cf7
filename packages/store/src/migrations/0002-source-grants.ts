import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

const statements = [
  sql`create table source_grants (
    token_hash text primary key,
    sha256 text not null,
    size_bytes bigint not null,
    expires_at timestamptz not null,
    fetcher_hash text
  )`,
  sql`create index source_grants_expiring on source_grants (expires_at)`,
];

export const sourceGrants: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of statements) await statement.execute(db);
  },
};
