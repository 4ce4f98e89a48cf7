/**
 * Who may fetch which source, and until when. A grant is a token in a URL; the first fetcher that shows it owns it from
 * then on, so a transfer that breaks can be tried again, and a URL that leaks afterwards is worth nothing.
 */
import type { SourceRef } from '@hephy/core';
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';
import { hashToken, newToken } from './tokens.ts';

export interface SourceGrants {
  /** Answers the token, which is stored nowhere. */
  grantSource(input: { source: SourceRef; until: Date }): Promise<string>;
  /**
   * The source of a grant that has not expired and belongs to nobody, or to this fetcher already: then it is this
   * fetcher's. `fetcher` is a secret that whoever fetches makes up.
   */
  redeemGrant(input: { token: string; fetcher: string; at: Date }): Promise<SourceRef | undefined>;
  /** Removes the grants that had expired by then. */
  sweepGrants(at: Date): Promise<{ removed: number }>;
}

/** `randomBytes` has to be fit for secrets, as node:crypto's is. */
export function createSourceGrants(
  db: Kysely<Schema>,
  randomBytes: (sizeBytes: number) => Uint8Array,
): SourceGrants {
  return {
    async grantSource({ source, until }) {
      const token = newToken(randomBytes);
      await db
        .insertInto('source_grants')
        .values({
          token_hash: hashToken(token),
          sha256: source.sha256,
          size_bytes: source.sizeBytes,
          expires_at: until,
          fetcher_hash: null,
        })
        .execute();
      return token;
    },
    redeemGrant: ({ token, fetcher, at }) => {
      const fetcherHash = hashToken(fetcher);
      return db
        .updateTable('source_grants')
        .set({ fetcher_hash: fetcherHash })
        .where('token_hash', '=', hashToken(token))
        .where('expires_at', '>', at)
        .where((is) =>
          is.or([is('fetcher_hash', 'is', null), is('fetcher_hash', '=', fetcherHash)]),
        )
        .returning(['sha256', 'size_bytes as sizeBytes'])
        .executeTakeFirst();
    },
    async sweepGrants(at) {
      const { numDeletedRows } = await db
        .deleteFrom('source_grants')
        .where('expires_at', '<=', at)
        .executeTakeFirstOrThrow();
      return { removed: Number(numDeletedRows) };
    },
  };
}
