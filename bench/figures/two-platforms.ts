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

const pushes = 4;
const app = 'shop';
const buildSeconds = 10;
/** With builders that take no time first: what is measured has been up for a while. */
const warmUpPushes = 12;

export const twoPlatforms: Figure = {
  name: 'two-platforms',
  about: 'wall of a two-platform build with fixed 10 s builders, over the slowest (p50)',
  goal: 'ratio ≤ 1.02',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 0 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      for (let number = 1; number <= warmUpPushes; number += 1) await pushChange(tree, number);
      await installFixedBuilder({ dataDirectory: hephy.data, appName: app, buildSeconds });
      await settle(hephy);
      const walls: number[] = [];
      const slowest: number[] = [];
      const parts: { before: number; after: number }[] = [];
      for (let number = warmUpPushes + 1; number <= warmUpPushes + pushes; number += 1) {
        const { acceptedAt } = await pushChange(tree, number);
        const began = await builderTimes(hephy, { app, number, what: 'began' });
        const ended = await builderTimes(hephy, { app, number, what: 'ended' });
        const [released = 0] = await eventTimes(hephy, { app, number, type: 'release.created' });
        const builderMs = [...began].map(([label, at]) => (ended.get(label) ?? 0) - at);
        walls.push(released - acceptedAt);
        slowest.push(Math.max(...builderMs));
        parts.push({
          before: Math.max(...began.values()) - acceptedAt,
          after: released - Math.max(...ended.values()),
        });
      }
      const ratio = median(walls.map((wall, run) => wall / (slowest[run] ?? 0)));
      const before = median(parts.map((part) => part.before));
      const after = median(parts.map((part) => part.after));
      return {
        measured: seconds(median(walls)),
        floor: `${seconds(median(slowest))} (the slowest builder, by its own clock)`,
        ratio,
        met: ratio <= 1.02,
        notes: [
          `${pushes} pushes after ${warmUpPushes} quick ones; accepted → both builders run ${milliseconds(before)}, last builder ended → released ${milliseconds(after)}`,
        ],
      };
    }),
};

async function pushChange(tree: WorkTree, number: number): Promise<PushTimes> {
  await tree.commit({ Dockerfile: 'FROM scratch\n', 'change.txt': `${number}\n` });
  return push(tree);
}
