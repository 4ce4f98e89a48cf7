import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { median, milliseconds, percentile, timed, type Figure } from '../figure.ts';
import { run } from '../parts/run.ts';
import {
  builderTimes,
  eventTimes,
  push,
  settle,
  twoPlatformSettings,
  withService,
} from '../parts/service.ts';

const pushes = 25;
const app = 'shop';

/** 10 MB that do not compress, in 40 files. */
function tenMegabytes(): Record<string, Buffer> {
  const names = Array.from({ length: 40 }, (_, number) => `data/part-${number}.bin`);
  return Object.fromEntries(names.map((name) => [name, randomBytes(250_000)]));
}

export const timeToStart: Figure = {
  name: 'time-to-start',
  about: 'push accepted → both platform builds started, 10 MB tree (p95)',
  goal: '≤ 250 ms',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 0 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      await tree.commit({ Dockerfile: 'FROM scratch\nCOPY data /data\n', ...tenMegabytes() });
      const recorded: number[] = [];
      const running: number[] = [];
      const floors: number[] = [];
      for (let number = 1; number <= pushes + 1; number += 1) {
        const sha = await tree.commit({ 'change.txt': `${number}\n` });
        await settle(hephy);
        const { acceptedAt } = await push(tree);
        const started = await eventTimes(hephy, { app, number, type: 'platform.started' });
        const began = await builderTimes(hephy, { app, number, what: 'began' });
        const archiveMs = await timed(() =>
          run([
            'git',
            `--git-dir=${join(tree.path, '.git')}`,
            'archive',
            '--output=/dev/null',
            sha,
          ]),
        );
        if (started.length !== 2 || began.size !== 2)
          throw new Error('a build did not start twice');
        // The first push makes the repository and sends all of the tree.
        if (number === 1) continue;
        recorded.push(Math.max(...started) - acceptedAt);
        running.push(Math.max(...began.values()) - acceptedAt);
        floors.push(archiveMs);
      }
      const p95 = percentile(recorded, 0.95);
      const floor = percentile(floors, 0.95);
      return {
        measured: milliseconds(p95),
        floor: `${milliseconds(floor)} (git archive alone)`,
        ratio: p95 / floor,
        met: p95 <= 250,
        notes: [
          `${pushes} pushes; p50 ${milliseconds(median(recorded))}, floor ${milliseconds(median(floors))}`,
          'one push at a time; accepted: the first remote: line is at the client; started: platform.started, as recorded',
          `until the builders' own program runs: p50 ${milliseconds(median(running))}, p95 ${milliseconds(percentile(running, 0.95))}`,
        ],
      };
    }),
};
