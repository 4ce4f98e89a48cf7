/** What a build says, as the API sends it: log pieces and events under one sequence. */
import { z } from 'zod';
import { buildStates, type BuildEvent, type Failure, type OutputEntry } from '@hephy/core';
import { FailureView, viewFailure } from './build-views.ts';
import { Time, timeText } from './fields.ts';

const Attempt = z.number().int();
const Tags = z.array(z.object({ tag: z.string(), moved: z.boolean() }));

export const BuildEventView = z
  .discriminatedUnion('type', [
    z.object({
      type: z.literal('build.queued'),
      number: z.number().int(),
      appName: z.string(),
      sha: z.string(),
      platforms: z.array(z.string()),
    }),
    z.object({
      type: z.literal('build.state'),
      state: z.enum(buildStates),
      failure: FailureView.optional(),
    }),
    z.object({ type: z.literal('cancel.requested'), by: z.string(), reason: z.string() }),
    z.object({ type: z.literal('preflight.warning'), message: z.string() }),
    z.object({
      type: z.literal('platform.started'),
      platform: z.string(),
      image: z.string(),
      attempt: Attempt,
    }),
    z.object({
      type: z.literal('platform.finished'),
      platform: z.string(),
      image: z.string(),
      attempt: Attempt,
      state: z.enum(['succeeded', 'failed', 'canceled']),
      durationMs: z.number().int(),
      digest: z.string().optional(),
      failure: FailureView.optional(),
    }),
    z.object({
      type: z.literal('publication.finished'),
      image: z.string(),
      repository: z.string(),
      digest: z.string(),
      mediaType: z.string(),
      tags: Tags,
    }),
    z.object({
      type: z.literal('work.retried'),
      what: z.string(),
      attempt: Attempt,
      failure: FailureView,
    }),
    z.object({
      type: z.literal('release.created'),
      version: z.number().int(),
      appName: z.string(),
    }),
    z.object({
      type: z.literal('delivery.finished'),
      deliveryId: z.string(),
      status: z.number().int(),
    }),
    z.object({ type: z.literal('redelivery.requested'), by: z.string() }),
  ])
  .meta({ id: 'BuildEvent' });

export const EventEntry = z
  .object({ seq: z.number().int(), at: Time, event: BuildEventView })
  .meta({ id: 'EventEntry' });

export const LogEntry = z
  .object({
    seq: z.number().int(),
    at: Time,
    image: z.string(),
    platform: z.string(),
    text: z.string().meta({ description: 'Whole lines as the builder wrote them, each ended.' }),
  })
  .meta({ id: 'LogEntry' });

type EventView = z.output<typeof BuildEventView>;

export function viewEvent(
  entry: Extract<OutputEntry, { kind: 'event' }>,
): z.output<typeof EventEntry> {
  return { seq: entry.seq, at: timeText(entry.at), event: viewBuildEvent(entry.event) };
}

export function viewLog(entry: Extract<OutputEntry, { kind: 'log' }>): z.output<typeof LogEntry> {
  const { seq, at, image, platform, text } = entry;
  return { seq, at: timeText(at), image, platform, text };
}

function viewBuildEvent(event: BuildEvent): EventView {
  switch (event.type) {
    case 'build.state':
    case 'platform.finished': {
      const { failure, ...rest } = event;
      return { ...rest, ...failureField(failure) };
    }
    case 'work.retried':
      return { ...event, failure: viewFailure(event.failure) };
    case 'build.queued':
      return { ...event, platforms: [...event.platforms] };
    case 'publication.finished':
      return { ...event, tags: [...event.tags] };
    case 'cancel.requested':
    case 'preflight.warning':
    case 'platform.started':
    case 'release.created':
    case 'delivery.finished':
    case 'redelivery.requested':
      return event;
  }
}

function failureField(failure: Failure | undefined): { failure?: z.output<typeof FailureView> } {
  return failure ? { failure: viewFailure(failure) } : {};
}
