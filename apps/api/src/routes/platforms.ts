import type { PlatformNodes, SeenPlatforms } from '@hephy/core';
import { z } from 'zod';
import { FailureView, viewFailure } from '../build-views.ts';
import type { ApiDeps } from '../deps.ts';
import { Time, timeText } from '../fields.ts';
import { route, type Route } from '../route.ts';

const PlatformView = z
  .object({
    platform: z.string().meta({ description: '`os/architecture`, such as `linux/arm64`.' }),
    nodes: z.number().int(),
    readyNodes: z.number().int().meta({
      description: 'Those that take a builder: ready, not cordoned, their taints tolerated.',
    }),
    failure: FailureView.nullable().meta({ description: 'Why nothing is built for it now.' }),
  })
  .meta({ id: 'Platform' });

const PlatformsView = z
  .object({
    available: z.array(z.string()).meta({ description: 'Those that can be built for now.' }),
    platforms: z.array(PlatformView),
    seenAt: Time.nullable().meta({
      description:
        'When a worker looked last, which each does once a minute; null if none has yet.',
    }),
  })
  .meta({ id: 'Platforms' });

export function platformRoutes({ platforms }: Pick<ApiDeps, 'platforms'>): Route[] {
  return [
    route({
      method: 'GET',
      url: '/v1/platforms',
      tag: 'service',
      summary: 'What can be built for: the nodes of the cluster, or this machine',
      access: 'user',
      answers: { 200: PlatformsView },
      handle: async () => {
        const seen = await platforms.readPlatforms();
        const all = seen?.platforms ?? [];
        const available = availablePlatforms(seen);
        const seenAt = seen ? timeText(seen.seenAt) : null;
        return { status: 200, body: { available, platforms: all.map(viewPlatform), seenAt } };
      },
    }),
  ];
}

/** Those that can be built for now; none while no worker has looked. */
export function availablePlatforms(seen: SeenPlatforms | undefined): string[] {
  const buildable = seen?.platforms.filter(({ failure }) => !failure) ?? [];
  return buildable.map(({ platform }) => platform);
}

function viewPlatform(seen: PlatformNodes): z.output<typeof PlatformView> {
  const { platform, nodes, readyNodes, failure } = seen;
  return { platform, nodes, readyNodes, failure: failure && viewFailure(failure) };
}
