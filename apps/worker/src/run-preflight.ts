import { holdWork, type BuildRecords, type HoldDeps, type Step } from '@hephy/core';
import type { Driver } from '@hephy/drivers';

export interface PreflightDeps extends HoldDeps {
  readonly records: HoldDeps['records'] & Pick<BuildRecords, 'readBuild'>;
  readonly driver: Pick<Driver, 'preflight'>;
}

/** Asks the driver, before anything starts, whether every platform of the plan can be built. */
export async function runPreflight(step: Step, deps: PreflightDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  if (!record) return;
  const { plan } = record.build;
  await holdWork(
    step,
    async () => {
      const answer = await deps.driver.preflight({
        platforms: [...new Set(plan.images.flatMap((image) => image.platforms))],
        requireNativeNodes: plan.requireNativeNodes,
      });
      return answer.ok
        ? { state: 'succeeded', result: { warnings: answer.warnings } }
        : { state: 'failed', failure: answer.failure };
    },
    deps,
  );
}
