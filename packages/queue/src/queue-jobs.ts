import { Queue } from 'bullmq';
import { z } from 'zod';
import { workKinds } from '@hephy/core';
import type { RedisConnection } from './connect-redis.ts';

/** What a queue carries: asks for `advance`, or steps of one kind. */
export const queueKinds = ['advance', ...workKinds] as const;
export type QueueKind = (typeof queueKinds)[number];

export const queueNames: Record<QueueKind, string> = {
  advance: 'advance',
  preflight: 'preflights',
  'publication-preflight': 'publication-preflights',
  platform: 'platform-builds',
  publication: 'publications',
  delivery: 'deliveries',
};

/** All keys start with it; the braces keep them in one slot of a Redis cluster. */
export const defaultPrefix = '{hephy}';

export const AdvancePayload = z.object({
  buildId: z.string().min(1),
  version: z.number().int(),
});
export type AdvancePayload = z.infer<typeof AdvancePayload>;

export const StepPayload = z.object({
  buildId: z.string().min(1),
  kind: z.enum(workKinds),
  name: z.string().min(1),
  attempt: z.number().int().min(1),
});
export type StepPayload = z.infer<typeof StepPayload>;

/** A queue that keeps no ended QueueJob: an id can be used again as soon as its QueueJob has ended. */
export function openQueue(
  kind: QueueKind,
  { connection, prefix = defaultPrefix }: { connection: RedisConnection; prefix?: string },
): Queue {
  return new Queue(queueNames[kind], {
    connection: connection.redis,
    prefix,
    defaultJobOptions: {
      removeOnComplete: true,
      removeOnFail: true,
      // For a database that is away for a moment. What lasts longer is the reconciler's.
      attempts: 3,
      backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
    },
  });
}
