import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'bullmq';
import type { Step } from '@hephy/core';
import type { RedisConnection } from './connect-redis.ts';
import {
  AdvancePayload,
  defaultPrefix,
  queueNames,
  StepPayload,
  type QueueKind,
} from './queue-jobs.ts';

export interface QueueHandlers {
  advance(ask: AdvancePayload): Promise<void>;
  /** `shutdown` aborts when the workers are being closed. */
  step(step: Step, shutdown: AbortSignal): Promise<void>;
}

export interface QueueWorkersOptions {
  /** Of role `worker`; each queue adds one of its own to it, to wait on. */
  readonly connection: RedisConnection;
  readonly handlers: QueueHandlers;
  readonly kinds: readonly QueueKind[];
  /** QueueJobs at work at once in this process, for each kind; 1 where nothing is said. */
  readonly concurrency: Partial<Record<QueueKind, number>>;
  readonly onError: (error: unknown) => void;
  readonly prefix?: string;
  /** The longest that `close` waits for steps at work: 10 s unless given. */
  readonly closeMs?: number;
}

export interface QueueWorkers {
  /**
   * Takes nothing new, tells the steps at work, and waits for them, within the bound. What is left belongs to its lease;
   * another process takes it once that is over.
   */
  close(): Promise<void>;
}

/** Once no step is at work, only Redis has to be told. If that takes longer, Redis is away. */
const goodbyeMs = 1_000;

/**
 * Takes QueueJobs from Redis and hands them to the handlers, through any outage of Redis. A handler that throws is
 * tried twice more within seconds; then the QueueJob is forgotten, and the reconciler asks again.
 */
export function startQueueWorkers(options: QueueWorkersOptions): QueueWorkers {
  const shutdown = new AbortController();
  const atWork = new Set<Promise<void>>();
  const handle = async (kind: QueueKind, data: unknown): Promise<void> => {
    const work = callHandler(kind, { data, handlers: options.handlers, shutdown: shutdown.signal });
    atWork.add(work);
    await work.finally(() => atWork.delete(work));
  };
  const onWorkerError = options.connection.oncePerOutage(options.onError);
  const workers = options.kinds.map((kind) =>
    startWorker(kind, { ...options, handle, onWorkerError }),
  );
  return {
    close: async () => {
      const closed = Promise.all(workers.map((worker) => worker.close()));
      shutdown.abort('shutdown');
      const idle = Promise.allSettled(atWork).then(() => delay(goodbyeMs, undefined, unref));
      await Promise.race([closed, idle, delay(options.closeMs ?? 10_000, undefined, unref)]);
    },
  };
}

const unref = { ref: false };

async function callHandler(
  kind: QueueKind,
  given: { data: unknown; handlers: QueueHandlers; shutdown: AbortSignal },
): Promise<void> {
  const { data, handlers, shutdown } = given;
  if (kind === 'advance') await handlers.advance(AdvancePayload.parse(data));
  else await handlers.step(StepPayload.parse(data), shutdown);
}

function startWorker(
  kind: QueueKind,
  options: QueueWorkersOptions & {
    handle: (kind: QueueKind, data: unknown) => Promise<void>;
    onWorkerError: (error: Error) => void;
  },
): Worker<unknown> {
  const { onError, onWorkerError, handle } = options;
  const worker = new Worker<unknown>(queueNames[kind], (job) => handle(kind, job.data), {
    connection: options.connection.redis,
    prefix: options.prefix ?? defaultPrefix,
    concurrency: options.concurrency[kind] ?? 1,
    // A killed process is replaced after 15 to 25 s, and may be killed often: the steps adopt what runs.
    lockDuration: 15_000,
    stalledInterval: 10_000,
    maxStalledCount: 20,
  });
  worker.on('error', onWorkerError);
  worker.on('failed', (job, cause) => {
    onError(new Error(`${queueNames[kind]}: ${job?.id ?? 'a QueueJob'} failed`, { cause }));
  });
  return worker;
}
