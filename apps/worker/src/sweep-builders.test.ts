import type { PlatformBuild } from '@hephy/core';
import { expect, test } from 'vitest';
import { sweepBuilders } from './sweep-builders.ts';

const now = new Date(Date.UTC(2026, 0, 1));
const buildId = '01K00000000000000000000000';
const name = `b-${buildId.toLowerCase()}-web-linux-amd64-a1`;

/** Sweeps where there is one builder, of the work as it is recorded; answers what was removed. */
async function removedWith(
  life: Pick<PlatformBuild, 'state' | 'finishedAt'> | undefined,
  lists = [[name, 'somebody-elses'], [name]],
) {
  const removed: string[] = [];
  const canceled: string[] = [];
  const work = { buildId, kind: 'platform', image: 'web', platform: 'linux/amd64', attempt: 1 };
  const record = life && { work: [{ ...work, ...life }] };
  await sweepBuilders({
    records: { readBuild: async () => record as never },
    driver: {
      list: async () => lists.shift() ?? [],
      cancel: async (builder) => void canceled.push(builder),
      cleanUp: async (builder) => void removed.push(builder),
    },
    now: () => now,
    onError: () => undefined,
  });
  expect(canceled).toEqual(removed);
  return removed;
}

const secondsAgo = (seconds: number): Date => new Date(now.getTime() - seconds * 1000);

test('a builder goes whose build is gone, or whose outcome was recorded a while ago', async () => {
  expect(await removedWith(undefined)).toEqual([name]);
  expect(await removedWith({ state: 'succeeded', finishedAt: secondsAgo(5) })).toEqual([name]);
});

test('a builder stays that is waited for, or that whoever recorded its outcome clears up now', async () => {
  expect(await removedWith({ state: 'running', finishedAt: null })).toEqual([]);
  expect(await removedWith({ state: 'failed', finishedAt: secondsAgo(4) })).toEqual([]);
});

test('a builder that was cleared up while others were looked at is not canceled', async () => {
  const life = { state: 'succeeded', finishedAt: secondsAgo(5) } as const;
  expect(await removedWith(life, [[name], []])).toEqual([]);
});
