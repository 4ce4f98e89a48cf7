import { holdWork, type Build, type BuildRecords, type HoldDeps, type Step } from '@hephy/core';
import type { Driver, PreflightResult } from '@hephy/drivers';
import type { PreflightCheck } from './preflight/preflight-check.ts';

export interface PreflightDeps extends HoldDeps {
  readonly records: HoldDeps['records'] & Pick<BuildRecords, 'readBuild'>;
  readonly driver: Pick<Driver, 'preflight'>;
  /** What is looked at beside the driver. */
  readonly checks: readonly PreflightCheck[];
}

/** A preflight takes two seconds at most: what its checks do not know by then, they let pass. */
const checksMs = 1_700;

/** Asks, before anything starts, whether every platform of the plan can be built. */
export async function runPreflight(step: Step, deps: PreflightDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  if (!record) return;
  await holdWork(
    step,
    async () => {
      const answer = await look(record.build, deps);
      return answer.ok
        ? { state: 'succeeded', result: { warnings: answer.warnings } }
        : { state: 'failed', failure: answer.failure };
    },
    deps,
  );
}

/** Side by side; of several refusals the driver's is told, then that of the first check. */
async function look(
  build: Build,
  { driver, checks }: Pick<PreflightDeps, 'driver' | 'checks'>,
): Promise<PreflightResult> {
  const { plan } = build;
  const refused = new AbortController();
  const signal = AbortSignal.any([refused.signal, AbortSignal.timeout(checksMs)]);
  const checking = Promise.all(checks.map((check) => check(build, signal)));
  const input = {
    platforms: [...new Set(plan.images.flatMap((image) => image.platforms))],
    requireNativeNodes: plan.requireNativeNodes,
    ...(plan.waitForNodesSeconds !== undefined && {
      waitForNodesMs: plan.waitForNodesSeconds * 1000,
    }),
  };
  const asking = driver.preflight(input).then((answer) => {
    if (!answer.ok) refused.abort();
    return answer;
  });
  const answers = (await Promise.all([asking, checking])).flat();
  const warnings = answers.flatMap((answer) => (answer.ok ? answer.warnings : []));
  return answers.find(({ ok }) => !ok) ?? { ok: true, warnings };
}
