import { workOf, type BuildRecord } from '@hephy/core';
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { durationOf } from '../fields.ts';
import { AppParams } from '../pages.ts';
import { forApp } from '../rights.ts';
import { route, type Route } from '../route.ts';
import { suggestPlatforms } from '../suggest-platforms.ts';

const AppPlatformView = z
  .object({
    platform: z.string().meta({ description: '`os/architecture[/variant]`.' }),
    inSettings: z.boolean().meta({ description: 'Whether the app is built for it.' }),
    readyNodes: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'Those that build it now; null while no worker has looked.' }),
    inBase: z.boolean().nullable().meta({
      description: 'Whether every base image is for it; null where that is not known.',
    }),
    medianBuildMs: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'Of those that succeeded among the last ten builds.' }),
    suggested: z.boolean(),
    why: z.string(),
  })
  .meta({ id: 'AppPlatform' });

const AppPlatformsView = z
  .object({
    platforms: z.array(AppPlatformView),
    baseBuild: z.number().int().nullable().meta({
      description: 'The newest build whose preflight found out for which platforms its bases are.',
    }),
  })
  .meta({ id: 'AppPlatforms' });

/** Builds that are looked at, the newest first. */
const mostBuilds = 10;

export function appPlatformRoutes(deps: ApiDeps): Route[] {
  const { queries, platforms } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/apps/:app/platforms',
      tag: 'apps',
      summary: 'What the app could be built for, and why: its base images, the nodes, its builds',
      access: 'user',
      params: AppParams,
      answers: { 200: AppPlatformsView },
      handle: forApp('reader', deps, async ({ app: { id: appId, settings } }) => {
        const [seen, records] = await Promise.all([
          platforms.readPlatforms(),
          queries.listRecords({ appId, limit: mostBuilds }),
        ]);
        const base = newestBase(records);
        const suggestions = suggestPlatforms({ settings, seen, basePlatforms: base?.platforms });
        const body: z.output<typeof AppPlatformsView> = {
          platforms: suggestions.map((one) => ({
            ...one,
            medianBuildMs: medianOf(durationsOf(records, one.platform)),
          })),
          baseBuild: base?.build ?? null,
        };
        return { status: 200, body };
      }),
    }),
  ];
}

function newestBase(
  records: readonly BuildRecord[],
): { build: number; platforms: readonly string[] | null } | undefined {
  for (const record of records) {
    const platforms = workOf(record, 'preflight')[0]?.result?.basePlatforms;
    if (platforms !== undefined) return { build: record.build.number, platforms };
  }
  return undefined;
}

function durationsOf(records: readonly BuildRecord[], platform: string): number[] {
  return records
    .flatMap((record) => workOf(record, 'platform'))
    .filter((work) => work.platform === platform && work.state === 'succeeded')
    .flatMap((work) => durationOf(work) ?? []);
}

/** Whole; of an even number, the lower one in the middle. */
function medianOf(values: readonly number[]): number | null {
  return values.toSorted((one, other) => one - other)[Math.ceil(values.length / 2) - 1] ?? null;
}
