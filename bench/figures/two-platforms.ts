import { median, milliseconds, seconds, type Figure } from '../figure.ts';
import {
  builderTimes,
  eventTimes,
  push,
  twoPlatformSettings,
  settle,
  withService,
  type PushTimes,
} from '../parts/service.ts';
import type { WorkTree } from '../../test/parts/git-client.ts';
import { installFixedBuilder } from '../parts/fixed-builder.ts';
import { prepareLoneBuilder } from '../parts/lone-builder.ts';

const pushes = 4;
const app = 'shop';
const buildSeconds = 10;
/** With builders that take no time first: what is measured has been up for a while. */
const warmUpPushes = 12;

export const twoPlatforms: Figure = {
  name: 'two-platforms',
  about: 'wall of a two-platform build with fixed 10 s builders, over one alone (p50)',
  goal: 'ratio ≤ 1.02',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 0 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      for (let number = 1; number <= warmUpPushes; number += 1) await pushChange(tree, number);
      await installFixedBuilder({ dataDirectory: hephy.data, appName: app, buildSeconds });
      await settle(hephy);
      const runAlone = await prepareLoneBuilder({ ...hephy, buildSeconds });
      const runs: Run[] = [];
      for (let number = warmUpPushes + 1; number <= warmUpPushes + pushes; number += 1) {
        const aloneMs = await runAlone();
        const { acceptedAt } = await pushChange(tree, number);
        const began = await builderTimes(hephy, { app, number, what: 'began' });
        const ended = await builderTimes(hephy, { app, number, what: 'ended' });
        const [released = 0] = await eventTimes(hephy, { app, number, type: 'release.created' });
        const ownMs = [...began].map(([label, at]) => (ended.get(label) ?? 0) - at);
        runs.push({
          aloneMs,
          wallMs: released - acceptedAt,
          slowestMs: Math.max(...ownMs),
          beforeMs: Math.max(...began.values()) - acceptedAt,
          afterMs: released - Math.max(...ended.values()),
        });
      }
      const middle = (value: (run: Run) => number): number => median(runs.map(value));
      const ratio = middle(({ wallMs, aloneMs }) => wallMs / aloneMs);
      const overOwnClock = middle(({ wallMs, slowestMs }) => wallMs / slowestMs);
      return {
        measured: seconds(middle(({ wallMs }) => wallMs)),
        floor: `${seconds(middle(({ aloneMs }) => aloneMs))} (one such builder alone, driver to result)`,
        ratio,
        met: ratio <= 1.02,
        notes: [
          `${pushes} pushes after ${warmUpPushes} quick ones; accepted → both builders run ${milliseconds(middle(({ beforeMs }) => beforeMs))}, last builder ended → released ${milliseconds(middle(({ afterMs }) => afterMs))}`,
          `over the slower of the two by the clock inside it, without its start: ${overOwnClock.toFixed(3)}`,
        ],
      };
    }),
};

interface Run {
  /** One builder by itself: started, followed, its result read. */
  readonly aloneMs: number;
  /** Accepted to released. */
  readonly wallMs: number;
  /** What the slower of the two says of itself, from its first command to its last. */
  readonly slowestMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

async function pushChange(tree: WorkTree, number: number): Promise<PushTimes> {
  await tree.commit({ Dockerfile: 'FROM scratch\n', 'change.txt': `${number}\n` });
  return push(tree);
}
