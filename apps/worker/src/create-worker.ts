import { advance, type BuildRecords, type HoldDeps, type Step, type StepQueue } from '@hephy/core';
import type { Driver } from '@hephy/drivers';
import { startQueueWorkers, type RedisConnection } from '@hephy/queue';
import type { PreflightCheck } from './preflight/preflight-check.ts';
import { recordPlatforms, type RecordPlatformsDeps } from './record-platforms.ts';
import { reconcile, reconcileAtStart } from './reconcile.ts';
import { runPlatformBuild } from './run-platform-build.ts';
import { runPreflight } from './run-preflight.ts';
import type { SourceStore } from '@hephy/source';
import { sweepBuilders } from './sweep-builders.ts';
import { sweepSources } from './sweep-sources.ts';

export interface WorkerDeps extends Omit<HoldDeps, 'shutdown' | 'queue' | 'records'> {
  readonly records: BuildRecords;
  readonly queue: StepQueue;
  readonly driver: Driver;
  readonly platforms: RecordPlatformsDeps['platforms'];
  /** What preflights look at beside the driver. */
  readonly checks: readonly PreflightCheck[];
  readonly sources: Pick<SourceStore, 'sweep'>;
  readonly listLiveSources: () => Promise<readonly string[]>;
  /** Of role `worker`. */
  readonly connection: RedisConnection;
  /** Platform builds at once in this process. */
  readonly platformBuilds: number;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const reconcileEveryMs = 2_000;
const sweepEveryMs = 60_000;
const recordPlatformsEveryMs = 60_000;

/** Decides, runs preflights and platform builds, and refills the queue. `close` hands what runs to the next worker. */
export function createWorker(deps: WorkerDeps): { close(): Promise<void> } {
  const workers = startQueueWorkers({
    connection: deps.connection,
    kinds: ['advance', 'preflight', 'platform'],
    concurrency: { advance: 8, preflight: 4, platform: deps.platformBuilds },
    onError: deps.onError,
    handlers: {
      advance: ({ buildId }) => advance(buildId, deps),
      step: (step, shutdown) => runStep(step, { ...deps, shutdown }),
    },
  });
  const sweep = async (): Promise<void> => {
    await sweepBuilders(deps).catch(deps.onError);
    await sweepSources(deps);
  };
  const stopReconciling = deps.repeat(reconcileEveryMs, () => reconcile(deps));
  const stopSweeping = deps.repeat(sweepEveryMs, sweep);
  const stopRecording = deps.repeat(recordPlatformsEveryMs, () => recordPlatforms(deps));
  reconcileAtStart(deps).catch(deps.onError);
  sweep().catch(deps.onError);
  recordPlatforms(deps).catch(deps.onError);
  return {
    async close() {
      stopReconciling();
      stopSweeping();
      stopRecording();
      await workers.close();
    },
  };
}

async function runStep(step: Step, deps: WorkerDeps & Pick<HoldDeps, 'shutdown'>): Promise<void> {
  switch (step.kind) {
    case 'preflight':
      return runPreflight(step, deps);
    case 'platform':
      return runPlatformBuild(step, deps);
    case 'publication-preflight':
    case 'publication':
    case 'delivery':
      throw new Error(`a worker takes no ${step.kind}`);
  }
}
