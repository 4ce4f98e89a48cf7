/** The real service, as the scenarios start it, and what a figure asks it. */
import { z } from 'zod';
import {
  startGitClient,
  type RunningGitClient,
  type WorkTree,
} from '../../test/parts/git-client.ts';
import { startHephy, type Hephy } from '../../test/parts/hephy.ts';
import { until } from '../../test/parts/until.ts';
import { installFixedBuilder } from './fixed-builder.ts';

/** Runs `work` with a service of its own; with `fixedBuilder`, one app of it is built by that in place of buildah. */
export async function withService<T>(
  { fixedBuilder }: { fixedBuilder?: { appName: string; buildSeconds: number } },
  work: (hephy: Hephy) => Promise<T>,
): Promise<T> {
  const hephy = await startHephy();
  try {
    if (fixedBuilder) {
      const folder = await installFixedBuilder({ dataDirectory: hephy.data, ...fixedBuilder });
      await hephy.end('SIGTERM');
      hephy.environment['PATH'] = `${folder}:${process.env['PATH'] ?? '/usr/bin:/bin'}`;
      await hephy.start();
    }
    return await work(hephy);
  } finally {
    await hephy.close();
  }
}

export const twoPlatformSettings = {
  platforms: ['linux/amd64', 'linux/arm64'],
  requireNativeNodes: false,
};

export interface PushTimes {
  /** When the client had the service's first line, in milliseconds since 1970: the push was accepted then. */
  readonly acceptedAt: number;
  readonly endedAt: number;
}

/** Waits until the builders of earlier pushes are gone, so that clearing up after one is not counted to the next. */
export async function settle(hephy: Hephy): Promise<void> {
  await until('the builders are gone', async () =>
    (await hephy.children()).every(({ command }) => !command.includes('/builders/')),
  );
}

export function startPush({ path }: WorkTree): RunningGitClient {
  return startGitClient(['push', 'deis', 'main'], { cwd: path });
}

/** `git push deis main`; throws what it printed when it fails. */
export async function push(tree: WorkTree): Promise<PushTimes> {
  const client = startPush(tree);
  const accepted = client.seen('hephy-builder received').then(() => Date.now());
  const [acceptedAt, { exitCode, stderr }] = await Promise.all([
    accepted.catch(() => 0),
    client.result,
  ]);
  if (exitCode !== 0) throw new Error(`git push ended with ${exitCode}: ${stderr}`);
  return { acceptedAt, endedAt: Date.now() };
}

const Events = z.object({
  events: z.array(z.object({ at: z.iso.datetime(), event: z.looseObject({ type: z.string() }) })),
});

/** When each event of the type happened, in milliseconds since 1970. */
export async function eventTimes(
  hephy: Hephy,
  { app, number, type }: { app: string; number: number; type: string },
): Promise<number[]> {
  const build = (await hephy.builds(app)).find((each) => each.number === number);
  const { body } = await hephy.call('GET', `/v1/builds/${build?.id}/events`);
  return Events.parse(body)
    .events.filter(({ event }) => event.type === type)
    .map(({ at }) => Date.parse(at));
}

/** What the fixed builders of a build printed: when each `began`, or `ended`, in milliseconds since 1970. */
export async function builderTimes(
  hephy: Hephy,
  { app, number, what }: { app: string; number: number; what: 'began' | 'ended' },
): Promise<Map<string, number>> {
  const log = await hephy.log(app, number);
  const lines = log.matchAll(new RegExp(`\\[(\\w+)\\] bench ${what} (\\d+)`, 'g'));
  return new Map([...lines].map(([, label = '', at]) => [label, Number(at)]));
}
