import type { PlatformNodes } from '@hephy/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { openPgliteMigrated, usePostgres } from './open-for-test.ts';
import { createPlatforms, type Platforms } from './seen-platforms.ts';

const postgres = usePostgres();

platformsAreKept('PGlite', openPgliteMigrated);
platformsAreKept('PostgreSQL', () => postgres.openMigrated());

function platformsAreKept(kind: string, open: () => Promise<OpenDatabase>): void {
  describe(`what was seen of platforms, in ${kind}`, () => {
    let opened: OpenDatabase;
    let platforms: Platforms;
    beforeAll(async () => {
      opened = await open();
      platforms = createPlatforms(opened.db);
    });
    afterAll(async () => opened.close());

    const ready = { platform: 'linux/amd64', nodes: 2, readyNodes: 2, failure: null };
    const away: PlatformNodes = {
      platform: 'linux/arm64',
      nodes: 1,
      readyNodes: 0,
      failure: { reason: 'NodesUnavailable', platform: 'linux/arm64', detail: 'a is not ready' },
    };

    it('is nothing at first, and then what was seen last', async () => {
      expect(await platforms.readPlatforms()).toBeUndefined();
      const first = { platforms: [ready, away], seenAt: at(1) };
      await platforms.recordPlatforms(first);
      expect(await platforms.readPlatforms()).toEqual(first);
      const second = { platforms: [ready], seenAt: at(2) };
      await platforms.recordPlatforms(second);
      await platforms.recordPlatforms({ platforms: [], seenAt: at(1) });
      expect(await platforms.readPlatforms()).toEqual(second);
    });
  });
}
