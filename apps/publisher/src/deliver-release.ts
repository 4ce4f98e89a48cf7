import {
  failureOf,
  holdWork,
  workOf,
  type BuildRecord,
  type BuildRecords,
  type HeldWork,
  type HoldDeps,
  type Step,
  type WorkOutcome,
} from '@hephy/core';
import { releaseBody, type ReleaseHook } from '@hephy/release';

export interface DeliverDeps extends HoldDeps {
  readonly records: HoldDeps['records'] & Pick<BuildRecords, 'readBuild'>;
  /** The app's hook as it is now; null when it was removed since the plan was made. */
  readonly readHook: (appId: string) => Promise<{ url: string; secret: string } | null>;
  readonly hook: ReleaseHook;
}

/** Posts the release to the app's hook: the same `webhook-id` at every try, so that the receiver can tell a repeat. */
export async function deliverRelease(step: Step, deps: DeliverDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  if (!record) return;
  await holdWork(step, (held) => deliver(record, held, deps), deps);
}

async function deliver(
  record: BuildRecord,
  held: HeldWork,
  { readHook, hook }: DeliverDeps,
): Promise<WorkOutcome> {
  const target = await readHook(record.build.appId);
  if (!target) {
    const detail =
      'the app has no hook address, or no hook secret: POST /v1/apps/<app>/hook-secret makes one';
    return { state: 'failed', failure: failureOf('HookRefused', { detail }) };
  }
  const [delivery] = workOf(record, 'delivery');
  if (!delivery) throw new Error(`build ${record.build.id} has no delivery`);
  const answer = await hook.deliver({
    ...target,
    deliveryId: delivery.deliveryId,
    body: releaseBody(record),
    signal: held.signal,
  });
  return answer.ok
    ? { state: 'succeeded', result: { status: answer.status } }
    : { state: 'failed', failure: answer.failure };
}
