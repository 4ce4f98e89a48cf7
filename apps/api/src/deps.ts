import type { BuildRecords, BuildSignals, StepQueue } from '@hephy/core';
import type { Health } from '@hephy/runtime';
import type { Apps, BuildQueries, Deliveries, Platforms, Pushes, Users } from '@hephy/store';
import type { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import type { FastifyBaseLogger } from 'fastify';

/** Who asks. */
export interface User {
  readonly id: string;
  readonly name: string;
  /** An operator holds every right on every app. */
  readonly operator: boolean;
}

/** What the API works with: the stores, and nothing that another role alone may have. */
export interface ApiDeps {
  readonly users: Users;
  readonly apps: Omit<Apps, 'readHook'>;
  readonly queries: BuildQueries;
  readonly pushes: Pick<Pushes, 'acceptPush'>;
  readonly deliveries: Deliveries;
  readonly platforms: Pick<Platforms, 'readPlatforms'>;
  readonly records: Pick<BuildRecords, 'readBuild' | 'readOutput' | 'requestCancel'>;
  /** May fail: what is recorded is carried out all the same. */
  readonly queue: Pick<StepQueue, 'askAdvance'>;
  readonly signals: BuildSignals & {
    subscribe(buildId: string, callback: () => void): () => void;
  };
  readonly health: Pick<Health, 'ready'>;
  /** Shown read-only to operators under `/ops/queues`. */
  readonly bullBoardQueues: readonly ConstructorParameters<typeof BullMQAdapter>[0][];
  /** What a new app builds for as long as no worker has told what can be built for: canonical, at least one. */
  readonly defaultPlatforms: readonly string[];
  /** Where rebuilt images go: `host[:port][/prefix]`. */
  readonly registry: string;
  /** The receiver's address as users reach it. */
  readonly gitUrl: string;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Fit for secrets, as node:crypto's is. */
  readonly randomBytes: (sizeBytes: number) => Uint8Array;
  readonly log: FastifyBaseLogger;
  readonly limits?: Partial<ApiLimits>;
}

export interface ApiLimits {
  /** Of one address, over all of `/v1`. */
  readonly requestsPerMinute: number;
  readonly maxBodyBytes: number;
  /** How often a stream that says nothing shows that it lives. */
  readonly quietMs: number;
  /** How long a stopping server waits for slow readers of streams. */
  readonly streamGraceMs: number;
}

export const defaultLimits: ApiLimits = {
  requestsPerMinute: 1_200,
  maxBodyBytes: 64 * 1024,
  quietMs: 15_000,
  streamGraceMs: 2_000,
};
