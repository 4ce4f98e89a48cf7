import { formatDuration } from '@hephy/core';
import { z } from 'zod';
import type { ApiClient } from '../client/api-client.ts';
import { table } from '../table.ts';

const PlatformsView = z.object({
  platforms: z.array(
    z.object({
      platform: z.string(),
      nodes: z.number(),
      readyNodes: z.number(),
      failure: z.object({ sentence: z.string() }).nullable(),
    }),
  ),
  seenAt: z.string().nullable(),
});

const AppPlatformsView = z.object({
  platforms: z.array(
    z.object({
      platform: z.string(),
      inSettings: z.boolean(),
      medianBuildMs: z.number().nullable(),
      suggested: z.boolean(),
      why: z.string(),
    }),
  ),
  baseBuild: z.number().nullable(),
});

interface PlatformsDeps {
  readonly api: ApiClient;
  readonly print: (line: string) => void;
}

/** Prints what can be built for, and why the rest cannot be now. */
export async function listPlatforms({ api, print }: PlatformsDeps): Promise<void> {
  const { platforms, seenAt } = await api.call(PlatformsView, 'GET', { path: '/v1/platforms' });
  if (seenAt === null) return print('No worker has looked yet; see that one runs.');
  const rows = platforms.map(({ platform, nodes, readyNodes, failure }) => [
    platform,
    `${readyNodes} of ${nodes}`,
    failure?.sentence ?? '',
  ]);
  for (const line of table(['PLATFORM', 'READY', ''], rows)) print(line.trimEnd());
  print(`As a worker saw it at ${seenAt.slice(0, 19).replace('T', ' ')} UTC.`);
}

/** Prints what an app could be built for, and the command that takes it on where that is something else. */
export async function suggestPlatforms(app: string, { api, print }: PlatformsDeps): Promise<void> {
  const path = `/v1/apps/${app}/platforms`;
  const { platforms, baseBuild } = await api.call(AppPlatformsView, 'GET', { path });
  const rows = platforms.map(({ platform, inSettings, suggested, medianBuildMs, why }) => [
    platform,
    inSettings ? 'yes' : 'no',
    suggested ? 'yes' : 'no',
    medianBuildMs === null ? '-' : formatDuration(medianBuildMs),
    why,
  ]);
  for (const line of table(['PLATFORM', 'BUILT', 'SUGGESTED', 'TAKES', 'WHY'], rows)) print(line);
  if (baseBuild !== null) print(`Base images as build ${baseBuild} found them.`);
  const suggested = platforms.filter((one) => one.suggested).map(({ platform }) => platform);
  if (platforms.every((one) => one.inSettings === one.suggested)) {
    print(`${app} is built for what is suggested.`);
  } else if (suggested.length === 0) {
    print(
      'Nothing can be suggested: no platform has a ready node and base images known to be for it.',
    );
  } else {
    print(`To take it on: hephy apps set -a ${app} platforms=${suggested.join(',')}`);
  }
}
