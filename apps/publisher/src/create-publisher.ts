import type { BuildRecords, HoldDeps, Step, StepQueue } from '@hephy/core';
import { startQueueWorkers, type RedisConnection } from '@hephy/queue';
import type { ReleaseHook } from '@hephy/release';
import { deliverRelease, type DeliverDeps } from './deliver-release.ts';
import { publishImage, type PublishDeps } from './publish-image.ts';
import type { ReleaseRegistry } from './release-registry.ts';
import { tryPublication, type TryDeps } from './try-publication.ts';

export interface PublisherDeps extends Omit<HoldDeps, 'shutdown' | 'queue' | 'records'> {
  readonly records: BuildRecords;
  readonly queue: StepQueue;
  readonly registry: ReleaseRegistry;
  readonly trial: TryDeps['trial'];
  readonly hook: ReleaseHook;
  readonly readHook: DeliverDeps['readHook'];
  readonly wait: PublishDeps['wait'];
  /** Of role `worker`. */
  readonly connection: RedisConnection;
  /** Publications, their preflights and deliveries at once in this process, of each. */
  readonly concurrency: number;
}

/**
 * Publishes images, after it has asked whether it may, and delivers releases: the one process that may write release
 * tags and knows hook secrets.
 */
export function createPublisher(deps: PublisherDeps): { close(): Promise<void> } {
  return startQueueWorkers({
    connection: deps.connection,
    kinds: ['publication-preflight', 'publication', 'delivery'],
    concurrency: {
      'publication-preflight': deps.concurrency,
      publication: deps.concurrency,
      delivery: deps.concurrency,
    },
    onError: deps.onError,
    handlers: {
      advance: () => Promise.reject(new Error('a publisher takes no advance')),
      step: (step, shutdown) => runStep(step, { ...deps, shutdown }),
    },
  });
}

async function runStep(
  step: Step,
  deps: PublisherDeps & Pick<HoldDeps, 'shutdown'>,
): Promise<void> {
  switch (step.kind) {
    case 'publication-preflight':
      return tryPublication(step, deps);
    case 'publication':
      return publishImage(step, deps);
    case 'delivery':
      return deliverRelease(step, deps);
    case 'preflight':
    case 'platform':
      throw new Error(`a publisher takes no ${step.kind} work`);
  }
}
