/**
 * The queue only says what to look at. Ids are made from what is asked, so that many askers make one QueueJob: a second
 * add under an id that is waiting or at work is ignored by Redis.
 */
import type { Queue } from 'bullmq';
import type { Step, StepQueue } from '@hephy/core';
import { within, type RedisConnection } from './connect-redis.ts';
import {
  openQueue,
  queueKinds,
  type AdvancePayload,
  type QueueKind,
  type StepPayload,
} from './queue-jobs.ts';

export interface ClosableStepQueue extends StepQueue {
  /** Leaves the connection open: it is the caller's. */
  close(): Promise<void>;
}

/**
 * Puts steps and asks into Redis, over a producer connection. Rejects within about a second if Redis is away; what was
 * rejected may still arrive.
 */
export function createStepQueue(options: {
  connection: RedisConnection;
  prefix?: string;
  now: () => Date;
  onError: (error: Error) => void;
}): ClosableStepQueue {
  const onError = options.connection.oncePerOutage(options.onError);
  const queues = new Map(
    queueKinds.map((kind) => [kind, holdQueue(kind, { ...options, onError })]),
  );
  const add = async (kind: QueueKind, job: NewQueueJob): Promise<void> => {
    const { jobId, delayMs = 0 } = job;
    await options.connection.ready();
    await within(queues.get(kind)!.current().add(kind, job.payload, { jobId, delay: delayMs }));
  };
  return {
    askAdvance: (ask) => add('advance', advanceJob(ask, options.now())),
    addStep: (step) => add(step.kind, { jobId: stepJobId(step), payload: payloadOf(step) }),
    async countWaiting() {
      await options.connection.ready();
      const inLine = (['preflight', 'platform'] as const).map((kind) =>
        queues.get(kind)!.current(),
      );
      const counts = await within(Promise.all(inLine.map((queue) => queue.getWaitingCount())));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

interface HeldQueue {
  current(): Queue;
  close(): Promise<void>;
}

/** A queue whose start-up got no answer from Redis never works again: the next caller gets a new one. */
function holdQueue(
  kind: QueueKind,
  options: { connection: RedisConnection; prefix?: string; onError: (error: Error) => void },
): HeldQueue {
  let held: Queue | undefined;
  const open = (): Queue => {
    const queue = openQueue(kind, options).on('error', options.onError);
    queue.waitUntilReady().catch((error: Error) => {
      options.onError(error);
      if (held === queue) held = undefined;
    });
    return queue;
  };
  return {
    current: () => (held ??= open()),
    close: async () => held?.close(),
  };
}

interface NewQueueJob {
  readonly jobId: string;
  readonly payload: AdvancePayload | StepPayload;
  readonly delayMs?: number;
}

/** Delayed asks of a build fall together on these marks, so that many askers make one QueueJob. */
const laterGridMs = 100;

/**
 * The QueueJob of an ask. A delayed one is named for the moment that it comes, never for the version alone: asked again
 * from within a delayed `advance`, the same id would be at work and the new ask would be dropped.
 */
function advanceJob(
  { buildId, version, delayMs = 0 }: { buildId: string; version: number; delayMs?: number },
  now: Date,
): NewQueueJob {
  const payload: AdvancePayload = { buildId, version };
  if (delayMs <= 0) return { jobId: `${buildId}-v${version}`, payload };
  // A tenth of a second on top: a timer that fires a little early must not ask for its own mark again.
  const mark = Math.ceil((now.getTime() + delayMs) / laterGridMs + 1) * laterGridMs;
  return { jobId: `${buildId}-at${mark}-later`, payload, delayMs: mark - now.getTime() };
}

/** Only what the payload is made of, whatever else the step carries. */
function payloadOf({ buildId, kind, name, attempt }: Step): StepPayload {
  return { buildId, kind, name, attempt };
}

function stepJobId({ buildId, kind, name, attempt }: Step): string {
  // Redis keys are parted by colons, which an id may not hold; encoding keeps different names different.
  return `${buildId}-${kind}-${encodeURIComponent(name)}-a${attempt}`;
}

/**
 * A queue that goes on where it cannot add, and reports why once until it can again. The record is the truth: it says
 * what has to run and when to look again, and the reconciler asks from it. A caller that failed because Redis is away
 * would only undo or repeat work that is safely recorded.
 */
export function tolerant(queue: StepQueue, onError: (error: unknown) => void): StepQueue {
  let told: string | undefined;
  const tolerate = async <T>(asked: Promise<T>, otherwise: T): Promise<T> => {
    try {
      const answer = await asked;
      told = undefined;
      return answer;
    } catch (error) {
      const words = String(error);
      if (words !== told) onError(error);
      told = words;
      return otherwise;
    }
  };
  return {
    askAdvance: (ask) => tolerate(queue.askAdvance(ask), undefined),
    addStep: (step) => tolerate(queue.addStep(step), undefined),
    // What a queue holds that does not answer may be lost.
    countWaiting: () => tolerate(queue.countWaiting(), 0),
  };
}
