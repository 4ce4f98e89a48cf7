import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { first } from './migrations/0001-first.ts';
import { sourceGrants } from './migrations/0002-source-grants.ts';
import { pastFailures } from './migrations/0003-past-failures.ts';
import { seenPlatforms } from './migrations/0004-seen-platforms.ts';
import { superseded } from './migrations/0005-superseded.ts';
import { provenTags } from './migrations/0006-proven-tags.ts';
import type { Schema } from './schema.ts';

/** By name, in order. A migration that has shipped is never edited; the next number mends it. */
const migrations = {
  '0001-first': first,
  '0002-source-grants': sourceGrants,
  '0003-past-failures': pastFailures,
  '0004-seen-platforms': seenPlatforms,
  '0005-superseded': superseded,
  '0006-proven-tags': provenTags,
};

/**
 * Brings the tables up to date, or leaves them as they are and throws. Several processes may start at once: Kysely's
 * migrator runs everything in one transaction under an advisory lock.
 */
export async function migrate(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await migrator.migrateToLatest();
  if (!error) return;
  const failed = results?.find(({ status }) => status === 'Error');
  throw new Error(`migrating the database${failed ? `: ${failed.migrationName}` : ''}`, {
    cause: error,
  });
}
