import { describe, expect, it } from 'vitest';
import { advance, type AdvanceDeps } from './advance.ts';
import type { BuildRecord } from './build.ts';
import type { BuildChange, Step } from './decide.ts';
import { at, platformBuild, preflight, publication, recordOf } from './record-for-test.ts';

interface Told {
  readonly changes: { version: number; change: BuildChange }[];
  readonly steps: Step[];
  readonly asks: { version: number; delayMs?: number }[];
  readonly askAgainAt: Date[];
  signals: number;
}

/** `reads` are what the record answers, one after the other; the last one stays. */
function setUp(
  reads: (BuildRecord | undefined)[],
  { applies = true, unproven = [] }: { applies?: boolean; unproven?: string[] } = {},
): { deps: AdvanceDeps; told: Told } {
  const told: Told = { changes: [], steps: [], asks: [], askAgainAt: [], signals: 0 };
  let read = 0;
  const deps: AdvanceDeps = {
    records: {
      readBuild: async () => reads[Math.min(read++, reads.length - 1)],
      async applyChange({ version, change }) {
        told.changes.push({ version, change });
        return applies;
      },
      listUnprovenTags: async (tags) => tags.filter(({ tag }) => unproven.includes(tag)),
      setAskAgainAt: async (_, moment) => void told.askAgainAt.push(moment),
    },
    queue: {
      askAdvance: async (ask) => void told.asks.push(ask),
      addStep: async (step) => void told.steps.push(step),
    },
    signals: {
      async notify() {
        told.signals += 1;
      },
    },
    now: () => at(0),
    newId: () => 'id',
  };
  return { deps, told };
}

const queued = recordOf({ state: 'queued', version: 0 });
const withPreflight = recordOf({ state: 'queued', version: 1 }, [preflight()]);

const withTags = (record: BuildRecord): BuildRecord => {
  const [web] = record.build.plan.images;
  if (!web) throw new Error('no image');
  const images = [{ ...web, tags: ['git-1', 'latest'] }];
  return { ...record, build: { ...record.build, plan: { ...record.build.plan, images } } };
};

describe('advance', () => {
  it('changes the record as long as there is something to change, then hands out the steps', async () => {
    const { deps, told } = setUp([queued, withPreflight]);
    await advance('b1', deps);
    expect(told.changes).toEqual([
      { version: 0, change: { addWork: [{ kind: 'preflight', name: 'preflight' }] } },
    ]);
    expect(told.signals).toBe(1);
    expect(told.steps).toEqual([
      { buildId: 'b1', kind: 'preflight', name: 'preflight', attempt: 1 },
    ]);
  });

  it('tells of tags that are not proven, as long as there is no work', async () => {
    const { deps, told } = setUp([withTags(queued), withTags(withPreflight)], {
      unproven: ['latest'],
    });
    await advance('b1', deps);
    const added = told.changes.flatMap(({ change }) => change.addWork ?? []);
    expect(added.map(({ kind }) => kind)).toEqual(['preflight', 'publication-preflight']);
  });

  it('lets the reconciler look again within 15 s, however far the next moment is', async () => {
    const { deps, told } = setUp([recordOf({ state: 'publishing' }, [publication()])]);
    await advance('b1', deps);
    expect(told.steps).toHaveLength(1);
    expect(told.askAgainAt).toEqual([at(15_000)]);
    expect(told.asks).toEqual([]);
  });

  it('leaves it to the reconciler when to look at a build that waits in line', async () => {
    const { deps, told } = setUp([withPreflight]);
    await advance('b1', deps);
    expect(told.askAgainAt).toEqual([withPreflight.build.deadlineAt]);
    expect(told.asks).toEqual([]);
  });

  it('asks for itself at the next moment, if that comes before the reconciler', async () => {
    const retry = platformBuild('linux/amd64', { attempt: 2, notBefore: at(4_000) });
    const { deps, told } = setUp([recordOf({ version: 5 }, [retry])]);
    await advance('b1', deps);
    expect(told.askAgainAt).toEqual([at(4_000)]);
    expect(told.asks).toEqual([{ buildId: 'b1', version: 5, delayMs: 4_000 }]);
    expect(told.steps).toEqual([]);
  });

  it('does nothing for a build that is not there, or has ended', async () => {
    const missing = setUp([undefined]);
    await advance('b1', missing.deps);
    const ended = setUp([recordOf({ state: 'succeeded' })]);
    await advance('b1', ended.deps);
    const nothing = { changes: [], steps: [], asks: [], askAgainAt: [], signals: 0 };
    expect([missing.told, ended.told]).toEqual([nothing, nothing]);
  });

  it('gives up with an error when the record never settles', async () => {
    const { deps } = setUp([queued], { applies: false });
    await expect(advance('b1', deps)).rejects.toThrow('build b1 did not settle in 20 rounds');
  });
});
