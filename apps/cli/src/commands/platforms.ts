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

/** Prints what can be built for, and why the rest cannot be now. */
export async function listPlatforms({
  api,
  print,
}: {
  readonly api: ApiClient;
  readonly print: (line: string) => void;
}): Promise<void> {
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
