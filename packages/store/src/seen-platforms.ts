/** What workers saw last of where they build. The roles that may not ask the cluster read it here. */
import type { SeenPlatforms } from '@hephy/core';
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import { storableJson } from './stored-text.ts';

export interface Platforms {
  /** In place of what was seen before; what is older than that is not written. */
  recordPlatforms(seen: SeenPlatforms): Promise<void>;
  /** Undefined until a worker has looked. */
  readPlatforms(): Promise<SeenPlatforms | undefined>;
}

export function createPlatforms(db: Kysely<Schema>): Platforms {
  return {
    async recordPlatforms({ platforms, seenAt }) {
      const seen = { platforms: storableJson(platforms), seen_at: seenAt };
      await db
        .insertInto('seen_platforms')
        .values(seen)
        .onConflict((conflict) =>
          conflict
            .column('only_row')
            .doUpdateSet(seen)
            .where('seen_platforms.seen_at', '<=', seenAt),
        )
        .execute();
    },
    readPlatforms: () =>
      db.selectFrom('seen_platforms').select(['platforms', 'seen_at as seenAt']).executeTakeFirst(),
  };
}
