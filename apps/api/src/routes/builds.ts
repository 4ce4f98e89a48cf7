import type { IncomingHttpHeaders } from 'node:http';
import { workOf, type BuildRecord } from '@hephy/core';
import { z } from 'zod';
import {
  BuildDetails,
  BuildSummary,
  DeliveryView,
  State,
  viewBuild,
  viewDelivery,
  viewRecord,
} from '../build-views.ts';
import type { ApiDeps } from '../deps.ts';
import { Ulid } from '../fields.ts';
import { EventEntry, viewEvent } from '../output-views.ts';
import { AppParams, Limit, pageOf } from '../pages.ts';
import type { Refusal } from '../problem.ts';
import { forApp, forBuild } from '../rights.ts';
import { route, type Answer, type Route } from '../route.ts';

export const BuildParams = z.object({ id: Ulid });

const BuildsQuery = z.object({
  state: State.optional(),
  ref: z
    .string()
    .max(255)
    // PostgreSQL takes no NUL, and git's names have no control characters: git-check-ref-format(1).
    .regex(/^\P{Cc}+$/u, 'use the name of a branch or ref')
    .optional()
    .meta({ description: 'A branch, such as `main`, or a whole name, such as `refs/heads/main`.' }),
  sha: z
    .string()
    .regex(/^[0-9a-fA-F]{4,40}$/, 'use 4 to 40 hexadecimal digits')
    .transform((sha) => sha.toLowerCase())
    .optional()
    .meta({ description: 'The commit, or the start of its name.' }),
  cursor: Ulid.optional().meta({ description: '`nextCursor` of the page before.' }),
  limit: Limit,
});

const BuildsPage = z.object({ builds: z.array(BuildSummary), nextCursor: Ulid.nullable() });

const numberParams = AppParams.extend({ number: z.coerce.number().int().min(1) });

const EventsQuery = z.object({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .meta({ description: '`nextAfter` of the page before.' }),
  limit: Limit,
});

export function buildRoutes(deps: ApiDeps): Route[] {
  return [...listRoutes(deps), ...oneBuildRoutes(deps), ...historyRoutes(deps)];
}

function listRoutes(deps: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      url: '/v1/builds',
      tag: 'builds',
      summary: 'Builds of all the apps that you may read, newest first',
      access: 'user',
      query: BuildsQuery,
      answers: { 200: BuildsPage },
      handle: ({ user, query }) =>
        listBuilds('/v1/builds', { query, of: user.operator ? {} : { memberId: user.id } }, deps),
    }),
    route({
      method: 'GET',
      url: '/v1/apps/:app/builds',
      tag: 'builds',
      summary: 'Builds of an app, newest first',
      access: 'user',
      params: AppParams,
      query: BuildsQuery,
      answers: { 200: BuildsPage },
      handle: forApp('reader', deps, ({ app, query }) =>
        listBuilds(`/v1/apps/${app.name}/builds`, { query, of: { appId: app.id } }, deps),
      ),
    }),
  ];
}

function oneBuildRoutes(deps: ApiDeps): Route[] {
  const { queries } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/apps/:app/builds/:number',
      tag: 'builds',
      summary: 'One build, by its number',
      access: 'user',
      params: numberParams,
      answers: { 200: BuildDetails, 304: unchanged },
      handle: forApp('reader', deps, async ({ app, params, headers }) => {
        const record = await queries.findBuild({ appId: app.id, number: params.number });
        return record ? answerBuild(record, headers) : noSuchNumber(app.name, params.number);
      }),
    }),
    route({
      method: 'GET',
      url: '/v1/builds/:id',
      tag: 'builds',
      summary: 'One build, by its id',
      access: 'user',
      params: BuildParams,
      answers: { 200: BuildDetails, 304: unchanged },
      handle: forBuild('reader', deps, async ({ record, headers }) => answerBuild(record, headers)),
    }),
  ];
}

function historyRoutes(deps: ApiDeps): Route[] {
  const { queries } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/builds/:id/events',
      tag: 'builds',
      summary: 'All that happened to a build, in order',
      access: 'user',
      params: BuildParams,
      query: EventsQuery,
      answers: {
        200: z.object({ events: z.array(EventEntry), nextAfter: z.number().int().nullable() }),
      },
      handle: forBuild('reader', deps, async ({ record, query }) => {
        const { id: buildId } = record.build;
        const { after: afterSeq, limit } = query;
        const events = await queries.readEvents({ buildId, afterSeq, limit });
        const nextAfter = events.length < limit ? null : (events.at(-1)?.seq ?? null);
        const views = events.map((entry) => viewEvent({ kind: 'event', ...entry }));
        return { status: 200, body: { events: views, nextAfter } };
      }),
    }),
    route({
      method: 'GET',
      url: '/v1/builds/:id/deliveries',
      tag: 'builds',
      summary: 'How the release hook of a build fared',
      access: 'user',
      params: BuildParams,
      answers: { 200: z.object({ deliveries: z.array(DeliveryView) }) },
      handle: forBuild('reader', deps, async ({ record }) => ({
        status: 200,
        body: { deliveries: workOf(record, 'delivery').map(viewDelivery) },
      })),
    }),
  ];
}

const unchanged = z.null().describe('Still as the ETag in If-None-Match says.');

async function listBuilds(
  path: string,
  {
    query,
    of,
  }: {
    query: z.output<typeof BuildsQuery>;
    of: { appId?: string; memberId?: string };
  },
  { queries }: Pick<ApiDeps, 'queries'>,
): Promise<Answer> {
  const { state, ref, sha, cursor, limit } = query;
  const builds = await queries.listBuilds({
    ...of,
    ...(state !== undefined && { state }),
    ...(ref !== undefined && { ref: ref.startsWith('refs/') ? ref : `refs/heads/${ref}` }),
    ...(sha !== undefined && { shaPrefix: sha }),
    ...(cursor !== undefined && { before: cursor.toUpperCase() }),
    limit,
  });
  const { nextCursor, headers } = pageOf(path, {
    query,
    size: builds.length,
    last: builds.at(-1)?.id,
  });
  return { status: 200, headers, body: { builds: builds.map(viewBuild), nextCursor } };
}

function answerBuild(record: BuildRecord, headers: IncomingHttpHeaders): Answer {
  const { id, version } = record.build;
  const etag = `"${id}-${version}"`;
  const known = headers['if-none-match']?.split(/\s*,\s*/).map((tag) => tag.replace(/^W\//, ''));
  if (known?.some((tag) => tag === etag || tag === '*')) return { status: 304, headers: { etag } };
  return { status: 200, headers: { etag }, body: viewRecord(record) };
}

function noSuchNumber(appName: string, number: number): Refusal {
  return { refused: 'NotFound', detail: `${appName} has no build ${number}` };
}
