import { isTerminal, type BuildRecord } from '@hephy/core';
import { formatPlatform, parsePlatform } from '@hephy/oci';
import { z } from 'zod';
import { defaultLimits, type ApiDeps } from '../deps.ts';
import { followToEnd, readSoFar, type Followed } from '../follow-build.ts';
import type { OpenStreams } from '../open-streams.ts';
import { asPushLines, asServerSentEvents, onlyPlatform, parseEventId } from '../output-text.ts';
import type { Refusal } from '../problem.ts';
import { forBuild } from '../rights.ts';
import { route, type Answer, type Route } from '../route.ts';
import { BuildParams } from './builds.ts';

const LogsQuery = z.object({
  follow: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'Whether plain text goes on until the build has ended.' }),
  platform: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Leaves out what only other platforms said, such as `linux/arm64`.' }),
});

const LogsHeaders = z.looseObject({
  'last-event-id': z
    .string()
    .max(40)
    .optional()
    .meta({ description: 'The `id` of the last server-sent event that was seen.' }),
});

export function buildOutputRoutes(deps: ApiDeps & { streams: OpenStreams }): Route[] {
  return [
    route({
      method: 'GET',
      url: '/v1/builds/:id/logs',
      tag: 'builds',
      summary: 'What a build says: the lines of the push, or server-sent events',
      access: 'user',
      params: BuildParams,
      query: LogsQuery,
      headers: LogsHeaders,
      streams: true,
      answers: {
        200: {
          description:
            'As text, the lines that the push shows. As server-sent events, `log` (LogEntry) and `event` (EventEntry), each with its `seq` as the id, and at last `end`.',
          content: {
            'text/plain': { schema: z.string() },
            'text/event-stream': { schema: z.string() },
          },
        },
        204: z.null().describe('The build has ended, and Last-Event-ID is that of its `end`.'),
      },
      refusals: ['NotAcceptable'],
      handle: forBuild('reader', deps, async ({ record, query, headers }) => {
        const platform = platformIn(record, query.platform);
        if (!platform.ok) return platform.refusal;
        const media = chooseMedia(headers.accept);
        if (!media) return notAcceptable;
        const ask = { record, platform: platform.name };
        return media === 'text/plain'
          ? answerText({ ...ask, follow: query.follow === 'true' }, deps)
          : answerEvents({ ...ask, lastEventId: headers['last-event-id'] }, deps);
      }),
    }),
  ];
}

interface LogsAsk {
  readonly record: BuildRecord;
  readonly platform: string | undefined;
}

type LogsDeps = ApiDeps & { readonly streams: OpenStreams };

function answerText(
  { record, platform, follow }: LogsAsk & { follow: boolean },
  deps: LogsDeps,
): Answer {
  const read = follow ? followToEnd : readSoFar;
  const stream = deps.streams.open((ending) => {
    const followed = read({ buildId: record.build.id, afterSeq: 0, ending }, followDeps(deps));
    return asPushLines(onlyPlatform(followed, platform), platformsOf(record));
  });
  return { status: 200, headers: streamHeaders('text/plain; charset=utf-8'), body: stream };
}

async function answerEvents(
  { record, platform, lastEventId }: LogsAsk & { lastEventId: unknown },
  deps: LogsDeps,
): Promise<Answer> {
  const last = typeof lastEventId === 'string' ? parseEventId(lastEventId) : { seq: 0, end: false };
  if (!last) return badEventId;
  // What a client that reconnects by itself has to hear, so that it stops.
  if (last.end && (await hasEndedAt(last.seq, record, deps))) return { status: 204 };
  const stream = deps.streams.open((ending) => {
    const input = { buildId: record.build.id, afterSeq: last.seq, ending };
    const followed: AsyncGenerator<Followed> = followToEnd(input, followDeps(deps));
    return asServerSentEvents(onlyPlatform(followed, platform));
  });
  return { status: 200, headers: streamHeaders('text/event-stream'), body: stream };
}

/** A build that has ended may say more later: its release can be delivered again. */
async function hasEndedAt(
  seq: number,
  { build }: BuildRecord,
  { records }: Pick<ApiDeps, 'records'>,
): Promise<boolean> {
  if (!isTerminal(build.state)) return false;
  const more = await records.readOutput({ buildId: build.id, afterSeq: seq, limit: 1 });
  return more.length === 0;
}

function followDeps({ records, signals, limits }: LogsDeps): Parameters<typeof followToEnd>[1] {
  return { records, signals, quietMs: limits?.quietMs ?? defaultLimits.quietMs };
}

/** The second one tells nginx and its kind to pass each piece on at once. */
function streamHeaders(mediaType: string): Record<string, string> {
  return { 'content-type': mediaType, 'x-accel-buffering': 'no', vary: 'accept' };
}

const textRanges = new Set(['text/plain', 'text/*', '*/*']);

/** Server-sent events for whoever names them, the lines of the push for anybody else who takes text. */
function chooseMedia(accept = '*/*'): 'text/plain' | 'text/event-stream' | undefined {
  const taken = accept
    .toLowerCase()
    .split(',')
    .map((range) => range.split(';').map((part) => part.trim()))
    .filter(([, ...parameters]) => !parameters.some((text) => /^q=0(\.0*)?$/.test(text)))
    .map(([range]) => range);
  if (taken.includes('text/event-stream')) return 'text/event-stream';
  return taken.some((range) => textRanges.has(range ?? '')) ? 'text/plain' : undefined;
}

function platformIn(
  record: BuildRecord,
  asked: string | undefined,
):
  | { readonly ok: true; readonly name: string | undefined }
  | { readonly ok: false; readonly refusal: Refusal } {
  if (asked === undefined) return { ok: true, name: undefined };
  const parsed = parsePlatform(asked);
  if (!parsed.ok) return refusePlatform(parsed.problem);
  const name = formatPlatform(parsed.platform);
  const platforms = platformsOf(record);
  if (platforms.includes(name)) return { ok: true, name };
  return refusePlatform(`this build is for ${platforms.join(', ')}, not for ${name}`);
}

function refusePlatform(message: string): { ok: false; refusal: Refusal } {
  const errors = [{ pointer: '/query/platform', message }];
  return { ok: false, refusal: { refused: 'InvalidRequest', detail: message, errors } };
}

function platformsOf({ build }: BuildRecord): string[] {
  return [...new Set(build.plan.images.flatMap(({ platforms }) => platforms))];
}

const notAcceptable: Refusal = {
  refused: 'NotAcceptable',
  detail: 'logs come as text/plain or as text/event-stream; name one of them in Accept',
};

const badEventId: Refusal = {
  refused: 'InvalidRequest',
  detail: 'Last-Event-ID is none of the ids of this stream; leave it out to start from the first',
  errors: [{ pointer: '/headers/last-event-id', message: 'is none of our ids' }],
};
