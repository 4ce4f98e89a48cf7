import {
  holdWork,
  type Build,
  type BuildRecords,
  type HoldDeps,
  type Step,
  type WorkOutcome,
} from '@hephy/core';
import type { Driver } from '@hephy/drivers';
import type { CheckResult, PreflightCheck } from './preflight/preflight-check.ts';

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
  await holdWork(step, async () => outcomeOf(await look(record.build, deps)), deps);
}

/** Of several refusals the driver's is told, then that of the first check. */
function outcomeOf(answers: readonly CheckResult[]): WorkOutcome {
  const warnings = answers.flatMap((answer) => (answer.ok ? answer.warnings : []));
  const base = answers.find(({ basePlatforms }) => basePlatforms !== undefined);
  const result = { warnings, ...(base && { basePlatforms: base.basePlatforms }) };
  for (const answer of answers) {
    if (!answer.ok) return { state: 'failed', failure: answer.failure, result };
  }
  return { state: 'succeeded', result };
}

/** Side by side, the driver first. */
async function look(
  build: Build,
  { driver, checks }: Pick<PreflightDeps, 'driver' | 'checks'>,
): Promise<readonly CheckResult[]> {
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
  return (await Promise.all([asking, checking])).flat();
}
