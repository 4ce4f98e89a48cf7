import {
  HandOver,
  endedBy,
  holdWork,
  workOf,
  type BuildRecords,
  type Failure,
  type HeldWork,
  type HoldDeps,
  type PlatformBuild,
  type Step,
  type WorkKey,
  type WorkOutcome,
} from '@hephy/core';
import type { BuilderResult, Driver } from '@hephy/drivers';
import { builderSpec } from './builder-spec.ts';

export interface PlatformBuildDeps extends HoldDeps {
  readonly records: HoldDeps['records'] & Pick<BuildRecords, 'readBuild' | 'appendLog'>;
  readonly driver: Driver;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** So that clearing up does not compete with the publication, for which somebody waits. */
const clearAfterMs = 1_000;

/**
 * Carries one attempt of a platform build from start to its recorded outcome. Whoever runs it second adopts what the
 * first one started. The builder's remains go only after the outcome is recorded: until then they are the result.
 */
export async function runPlatformBuild(step: Step, deps: PlatformBuildDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  const work = record && workOf(record, 'platform').find(({ name }) => name === step.name);
  if (!work || work.attempt !== step.attempt) return;
  const spec = builderSpec(record, work);
  let hasSucceeded = false;
  const recorded = await holdWork(
    step,
    async (held) => {
      if (endedBy(held.signal) === 'stop') {
        await deps.driver.cancel(spec.name);
        return { state: 'canceled' };
      }
      const started = await deps.driver.startOrAdopt(spec);
      if (!started.ok) return failed(work, started);
      const outcome = await follow({ name: spec.name, work }, held, deps);
      hasSucceeded = outcome.state === 'succeeded';
      return outcome;
    },
    deps,
  );
  if (!recorded) return;
  // Another may still run: the attempt also ends when we fail to follow it. On a full disk a cancel cannot be noted; what
  // frees the disk must not wait for that.
  if (!hasSucceeded) await deps.driver.cancel(spec.name).catch(deps.onError);
  clearLater(spec.name, deps).catch(deps.onError);
}

/** Not awaited: the next platform build takes this one's place at once. A worker that leaves leaves it to the sweep. */
async function clearLater(
  name: string,
  { driver, wait, shutdown }: PlatformBuildDeps,
): Promise<void> {
  await wait(clearAfterMs, shutdown).catch(() => undefined);
  if (!shutdown.aborted) await driver.cleanUp(name);
}

/** Stores the log while the builder runs, and answers its outcome; on `stop`, cancels it first. */
async function follow(
  builder: { name: string; work: PlatformBuild },
  held: HeldWork,
  deps: PlatformBuildDeps,
): Promise<WorkOutcome> {
  const { driver } = deps;
  const following = new AbortController();
  const cancel = async (): Promise<void> => {
    if (endedBy(held.signal) === 'stop') await driver.cancel(builder.name);
    else following.abort(endedBy(held.signal));
  };
  let canceling: Promise<void> | undefined;
  const onEnd = (): void => {
    canceling = cancel();
    canceling.catch((error: unknown) => {
      deps.onError(error);
      // The builder runs on: whoever comes next cancels it.
      if (error instanceof HandOver) following.abort(error);
    });
  };
  held.signal.addEventListener('abort', onEnd, { once: true });
  if (held.signal.aborted) onEnd();
  try {
    await copyLog({ ...builder, held, signal: following.signal }, deps);
    const result = await driver.result(builder.name, { signal: following.signal });
    await canceling;
    return endedBy(held.signal) === 'stop'
      ? { state: 'canceled' }
      : outcomeOf(builder.work, result);
  } catch (error) {
    if (following.signal.aborted && endedBy(held.signal) !== 'stop') return { state: 'canceled' };
    throw error;
  } finally {
    held.signal.removeEventListener('abort', onEnd);
  }
}

async function copyLog(
  from: { name: string; work: PlatformBuild; held: HeldWork; signal: AbortSignal },
  deps: PlatformBuildDeps,
): Promise<void> {
  const { work, held, signal } = from;
  const key: WorkKey = { buildId: work.buildId, kind: 'platform', name: work.name };
  const chunks = deps.driver.followLog(from.name, { fromOffset: held.logOffset, signal });
  for await (const chunk of chunks) {
    const piece = { image: work.image, platform: work.platform, ...chunk };
    const stored = await deps.records
      .appendLog({ key, owner: held.owner, piece, at: deps.now() })
      .catch((cause: unknown) => {
        // The builder goes on, and its log stays where it is, until the record can be written again.
        throw new HandOver(`the log of ${from.name} cannot be stored`, { cause });
      });
    if (!stored) return;
    await deps.signals.notify(work.buildId);
  }
}

function outcomeOf(work: PlatformBuild, result: BuilderResult): WorkOutcome {
  if (!result.ok) return failed(work, result);
  return { state: 'succeeded', result: { exitCode: result.exitCode, digest: result.digest } };
}

function failed({ platform }: PlatformBuild, { failure }: { failure: Failure }): WorkOutcome {
  return { state: 'failed', failure: { platform, ...failure } };
}
