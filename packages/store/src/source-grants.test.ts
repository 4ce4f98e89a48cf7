import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { openPgliteMigrated, usePostgres } from './open-for-test.ts';
import { createSourceGrants, type SourceGrants } from './source-grants.ts';

const postgres = usePostgres();
const source = { sha256: 'b'.repeat(64), sizeBytes: 5_000_000_000 };
const until = at(60_000);

grantsAreKept('PGlite', openPgliteMigrated);
grantsAreKept('PostgreSQL', () => postgres.openMigrated());

function grantsAreKept(kind: string, open: () => Promise<OpenDatabase>): void {
  describe(`grants of sources in ${kind}`, () => {
    let opened: OpenDatabase;
    let grants: SourceGrants;
    beforeAll(async () => {
      opened = await open();
      grants = createSourceGrants(opened.db, randomBytes);
    });
    afterAll(async () => opened.close());

    it('belong to the first fetcher that shows them, for as often as it likes', async () => {
      const token = await grants.grantSource({ source, until });
      expect(await grants.redeemGrant({ token, fetcher: 'one', at: at(1) })).toEqual(source);
      expect(await grants.redeemGrant({ token, fetcher: 'other', at: at(2) })).toBeUndefined();
      expect(await grants.redeemGrant({ token, fetcher: 'one', at: at(3) })).toEqual(source);
    });

    it('go to one of many fetchers that come at once', async () => {
      const token = await grants.grantSource({ source, until });
      const fetchers = Array.from({ length: 20 }, (_, number) => `fetcher ${number}`);
      const answers = await Promise.all(
        fetchers.map((fetcher) => grants.redeemGrant({ token, fetcher, at: at(1) })),
      );
      expect(answers.filter((answer) => answer !== undefined)).toEqual([source]);
    });

    it('end at their time, also for the fetcher that has one', async () => {
      const token = await grants.grantSource({ source, until });
      const redeem = (time: Date): Promise<unknown> =>
        grants.redeemGrant({ token, fetcher: 'one', at: time });
      expect(await redeem(at(59_999))).toEqual(source);
      expect(await redeem(until)).toBeUndefined();
    });

    it('are not known by anything but the token, which is stored nowhere', async () => {
      const token = await grants.grantSource({ source, until });
      await grants.redeemGrant({ token, fetcher: 'secret of a fetcher', at: at(1) });
      const guess = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
      for (const other of [guess, '', 'b'.repeat(64)]) {
        const redeemed = grants.redeemGrant({ token: other, fetcher: 'one', at: at(1) });
        expect(await redeemed).toBeUndefined();
      }
      const { rows } = await sql`select source_grants::text as row from source_grants`.execute(
        opened.db,
      );
      const stored = JSON.stringify(rows);
      expect(stored).toContain(source.sha256);
      expect(stored).not.toContain(token.slice('hephy_'.length));
      expect(stored).not.toContain('secret of a fetcher');
    });

    it('are swept once they have expired', async () => {
      await grants.sweepGrants(at(120_000));
      const old = await grants.grantSource({ source, until: at(1000) });
      const token = await grants.grantSource({ source, until });
      expect(await grants.sweepGrants(at(1000))).toEqual({ removed: 1 });
      const redeem = (shown: string): Promise<unknown> =>
        grants.redeemGrant({ token: shown, fetcher: 'one', at: at(10) });
      expect(await redeem(old)).toBeUndefined();
      expect(await redeem(token)).toEqual(source);
    });
  });
}
