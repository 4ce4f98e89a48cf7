import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Hephy } from '../../test/parts/hephy.ts';
import type { WorkTree } from '../../test/parts/git-client.ts';
import { processesWith, type MachineProcess } from '../../test/parts/service-process.ts';
import { until } from '../../test/parts/until.ts';
import { median, milliseconds, percentile, timed, type Figure } from '../figure.ts';
import { builderTimes, startPush, twoPlatformSettings, withService } from '../parts/service.ts';

const builds = 10;
const app = 'shop';
/** Far longer than a cancel may take: what ends a builder is the cancel. No other program of the machine sleeps as long. */
const buildSeconds = 30.125;

export const cancel: Figure = {
  name: 'cancel',
  about: 'cancel asked for → no builder process left and the build canceled (p95)',
  goal: '≤ 2 s',
  measure: () =>
    withService({ fixedBuilder: { appName: app, buildSeconds } }, async (hephy) => {
      const tree = await hephy.createApp(app, twoPlatformSettings);
      const gone: number[] = [];
      const canceled: number[] = [];
      const floors: number[] = [];
      for (let number = 1; number <= builds; number += 1) {
        const ends = await cancelOne(hephy, { tree, number });
        gone.push(ends.goneMs);
        canceled.push(ends.canceledMs);
        floors.push(await killOne());
      }
      const both = gone.map((goneMs, run) => Math.max(goneMs, canceled[run] ?? 0));
      const p95 = percentile(both, 0.95);
      const floor = percentile(floors, 0.95);
      return {
        measured: milliseconds(p95),
        floor: `${milliseconds(floor)} (SIGKILL to such a process alone)`,
        ratio: p95 / floor,
        met: p95 <= 2_000,
        notes: [
          `${builds} builds of two platforms, builders of ${buildSeconds} s; asked by POST /v1/builds/:id/cancel`,
          `no builder process left: ${spread(gone)}; state canceled: ${spread(canceled)}`,
        ],
      };
    }),
};

function spread(values: readonly number[]): string {
  return `p50 ${milliseconds(median(values))}, p95 ${milliseconds(percentile(values, 0.95))}`;
}

/** Pushes, waits until both builders run, and cancels. */
async function cancelOne(
  hephy: Hephy,
  { tree, number }: { tree: WorkTree; number: number },
): Promise<{ goneMs: number; canceledMs: number }> {
  await tree.commit({ Dockerfile: 'FROM scratch\n', 'change.txt': `${number}\n` });
  const { result } = startPush(tree);
  const build = await hephy.inState(app, number, ['building']);
  await until('both builders', async () => {
    const began = await builderTimes(hephy, { app, number, what: 'began' });
    return began.size === twoPlatformSettings.platforms.length;
  });
  const running = await builderProcesses(hephy);
  if (running.length < 4) throw new Error(`only ${running.length} processes build`);
  const startedAt = performance.now();
  const passed = (): number => performance.now() - startedAt;
  const asked = hephy.call('POST', `/v1/builds/${build.id}/cancel`, {});
  const [goneMs, canceledMs, { status }] = await Promise.all([
    until('no builder', async () => (await builderProcesses(hephy)).length === 0).then(passed),
    hephy.inState(app, number, ['canceled']).then(passed),
    asked,
  ]);
  if (status !== 202) throw new Error(`the cancel was answered with ${status}`);
  const { exitCode, stderr } = await result;
  if (exitCode !== 1) throw new Error(`a canceled push ended with ${exitCode}: ${stderr}`);
  return { goneMs, canceledMs };
}

/** What the service has started for them, and the sleep that each of them waits for. */
async function builderProcesses(hephy: Hephy): Promise<MachineProcess[]> {
  const started = (await hephy.children()).filter(({ command }) => command.includes('/builders/'));
  return [...started, ...(await processesWith(`sleep ${buildSeconds}`))];
}

/** What nobody can go below: a program that sleeps as long, ended at once, until its end is known. */
async function killOne(): Promise<number> {
  const child = spawn('sleep', [String(buildSeconds)], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  return timed(() => {
    child.kill('SIGKILL');
    return exited;
  });
}
