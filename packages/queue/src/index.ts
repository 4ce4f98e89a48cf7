export {
  connectRedis,
  type RedisAddress,
  type RedisConnection,
  type RedisRole,
} from './connect-redis.ts';
export { createStepQueue, tolerant, type ClosableStepQueue } from './step-queue.ts';
export { queueKinds, queueNames, type QueueKind } from './queue-jobs.ts';
export {
  startQueueWorkers,
  type QueueHandlers,
  type QueueWorkers,
  type QueueWorkersOptions,
} from './queue-workers.ts';
export { createBuildSignals, type SubscribableSignals } from './build-signals.ts';
export { bullBoardQueues } from './bull-board-queues.ts';
