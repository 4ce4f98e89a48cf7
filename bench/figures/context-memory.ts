import { randomBytes } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mebibytes, seconds, timed, type Figure } from '../figure.ts';
import { readMemory, resetPeak, watchGitBelow } from '../parts/memory.ts';
import { push, twoPlatformSettings, withService } from '../parts/service.ts';

const app = 'shop';
const megabytes = 500;
const goalBytes = 64 * 2 ** 20;

export const contextMemory: Figure = {
  name: 'context-memory',
  about: 'memory of the service while a 500 MB context passes, above idle',
  goal: '≤ 64 MiB',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds: 0 } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      await tree.commit({ Dockerfile: 'FROM scratch\n' });
      await push(tree);
      await writeRandom(join(tree.path, 'data/large.bin'), megabytes);
      await tree.git('config', 'core.compression', '0');
      await tree.git('config', 'core.bigFileThreshold', '1m');
      await tree.commit({ 'change.txt': 'large\n' });
      await rm(join(tree.path, 'data'), { recursive: true });
      // What the small push has left behind is collected or stays; either way it is what an idle service holds.
      await delay(3_000);
      const idle = await readMemory(hephy.pid());
      await resetPeak(hephy.pid());
      const git = watchGitBelow(hephy.pid());
      const pushMs = await timed(() => push(tree));
      const gitBytes = await git.stop();
      const { peakBytes } = await readMemory(hephy.pid());
      const above = peakBytes - idle.nowBytes;
      return {
        measured: mebibytes(above),
        floor: `${mebibytes(idle.nowBytes)} (idle, after one small push)`,
        ratio: above / idle.nowBytes,
        met: above <= goalBytes,
        notes: [
          `one process runs all roles and the database; the kernel counts the peak`,
          `its git children, counted apart: ${mebibytes(gitBytes)} together at most; the push took ${seconds(pushMs)}`,
        ],
      };
    }),
};

async function writeRandom(file: string, sizeMegabytes: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const handle = await open(file, 'w');
  try {
    for (let written = 0; written < sizeMegabytes; written += 1) {
      await handle.write(randomBytes(1_000_000));
    }
  } finally {
    await handle.close();
  }
}
