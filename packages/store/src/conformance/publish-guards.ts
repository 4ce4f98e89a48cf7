import { describe, expect, it } from 'vitest';
import { at, type Ground } from './ground.ts';

export function describePublishGuards(ground: () => Ground): void {
  describeTags(ground);
  describeLocks(ground);
}

function describeTags(ground: () => Ground): void {
  describe('tags', () => {
    it('lets the same and newer builds have a tag, and never an older one again', async () => {
      const { records, newId } = ground();
      const tag = { repository: newId(), tag: 'latest' };
      expect(await records.claimTag({ ...tag, buildNumber: 5 })).toBe(true);
      expect(await records.claimTag({ ...tag, buildNumber: 5 })).toBe(true);
      expect(await records.claimTag({ ...tag, buildNumber: 4 })).toBe(false);
      expect(await records.claimTag({ ...tag, buildNumber: 6 })).toBe(true);
      expect(await records.claimTag({ ...tag, buildNumber: 5 })).toBe(false);
      expect(await records.claimTag({ ...tag, tag: 'git-1', buildNumber: 1 })).toBe(true);
    });

    it('tells of which tags it is not known that they may move', async () => {
      const { records, newId } = ground();
      const repository = newId();
      const [latest, stable] = ['latest', 'stable'].map((tag) => ({ repository, tag }));
      if (!latest || !stable) throw new Error('two tags');
      const both = [stable, latest];
      expect(await records.listUnprovenTags(both)).toEqual(both);
      await records.noteTagMove({ ...latest, proven: true });
      expect(await records.listUnprovenTags(both)).toEqual(both);
      // From now on the repository is known: what is new in it has nothing to move from.
      await records.claimTag({ ...latest, buildNumber: 1 });
      expect(await records.listUnprovenTags(both)).toEqual([latest]);
      await records.noteTagMove({ ...latest, proven: true });
      await records.claimTag({ ...latest, buildNumber: 2 });
      expect(await records.listUnprovenTags(both)).toEqual([]);
      await records.noteTagMove({ ...latest, proven: false });
      await records.claimTag({ ...stable, buildNumber: 3 });
      expect(await records.listUnprovenTags(both)).toEqual(both);
      const foreign = { repository: newId(), tag: 'latest' };
      expect(await records.listUnprovenTags([foreign])).toEqual([foreign]);
      expect(await records.listUnprovenTags([])).toEqual([]);
    });
  });
}

function describeLocks(ground: () => Ground): void {
  describe('repositories', () => {
    it('gives a repository to one owner at a time, until it is freed or the lease is over', async () => {
      const { records, newId } = ground();
      const repository = newId();
      const lock = (owner: string, atMs: number): Promise<boolean> =>
        records.lockRepository({
          repository,
          lease: { owner, until: at(atMs + 100) },
          at: at(atMs),
        });
      expect(await lock('one', 0)).toBe(true);
      expect(await lock('two', 50)).toBe(false);
      expect(await lock('one', 60)).toBe(true);
      expect(await lock('two', 159)).toBe(false);
      expect(await lock('two', 160)).toBe(true);
      await records.unlockRepository({ repository, owner: 'one' });
      expect(await lock('one', 170)).toBe(false);
      await records.unlockRepository({ repository, owner: 'two' });
      expect(await lock('one', 171)).toBe(true);
    });

    it('gives a free repository to one of ten askers side by side', async () => {
      const { records, newId } = ground();
      const repository = newId();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          records.lockRepository({
            repository,
            lease: { owner: `owner-${index}`, until: at(100) },
            at: at(0),
          }),
        ),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
    });
  });
}
