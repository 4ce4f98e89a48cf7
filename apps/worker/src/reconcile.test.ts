import { expect, test } from 'vitest';
import { reconcile } from './reconcile.ts';

const now = new Date(Date.UTC(2026, 0, 1));

/** One round while so many steps wait; answers how long builds may be left alone from then on, and what was asked. */
async function round(waiting: number) {
  const asked: string[] = [];
  let silenceMs = 0;
  const count = await reconcile({
    records: {
      async bringForward({ at }) {
        silenceMs = at.getTime() - now.getTime();
      },
      listDueBuilds: async () => [
        { id: 'b1', version: 3 },
        { id: 'b2', version: 1 },
      ],
    },
    queue: {
      askAdvance: async ({ buildId, version }) => void asked.push(`${buildId} v${version}`),
      countWaiting: async () => waiting,
    },
    now: () => now,
  });
  return { asked, count, silenceMs };
}

test('every build that is due is asked for', async () => {
  expect(await round(0)).toMatchObject({ asked: ['b1 v3', 'b2 v1'], count: 2 });
});

test('the longer the line, the longer a build that waits in it is left alone', async () => {
  const silences = [0, 600, 20_000].map(async (waiting) => (await round(waiting)).silenceMs);
  expect(await Promise.all(silences)).toEqual([15_000, 15_000, 500_000]);
});
