import type { Queue } from 'bullmq';
import type { RedisConnection } from './connect-redis.ts';
import { openQueue, queueKinds } from './queue-jobs.ts';

/** The queues as Bull Board wants them. Mount it read-only: who removes a QueueJob there only delays its build. */
export function bullBoardQueues(options: {
  connection: RedisConnection;
  prefix?: string;
  onError: (error: Error) => void;
}): { readonly queues: readonly Queue[]; close(): Promise<void> } {
  const onError = options.connection.oncePerOutage(options.onError);
  const queues = queueKinds.map((kind) => openQueue(kind, options).on('error', onError));
  return {
    queues,
    close: async () => {
      await Promise.all(queues.map((queue) => queue.close()));
    },
  };
}
