import { median, milliseconds, seconds, type Figure } from '../figure.ts';
import {
  builderTimes,
  eventTimes,
  push,
  twoPlatformSettings,
  withService,
} from '../parts/service.ts';

const pushes = 3;
const app = 'shop';

export const twoPlatforms: Figure = {
  name: 'two-platforms',
  about: 'wall of a two-platform build with fixed 10 s builders, over the slowest (p50)',
  goal: 'ratio ≤ 1.02',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 10 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      const walls: number[] = [];
      const slowest: number[] = [];
      const parts: { before: number; after: number }[] = [];
      for (let number = 1; number <= pushes; number += 1) {
        await tree.commit({ Dockerfile: 'FROM scratch\n', 'change.txt': `${number}\n` });
        const { acceptedAt } = await push(tree);
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
          `${pushes} pushes; accepted → both builders run ${milliseconds(before)}, last builder ended → released ${milliseconds(after)}`,
        ],
      };
    }),
};
