import { builderName, workOf, type BuildRecords, type PlatformBuild } from '@hephy/core';
import type { Driver } from '@hephy/drivers';

/** `b-<build ULID>-…`, as `builderName` makes it. */
const builderNamePattern = /^b-([0-9a-hjkmnp-tv-z]{26})-/;

/** Whoever records an outcome clears up within a second or two; what is left after this long nobody will. */
const clearedWithinMs = 5_000;

export interface SweepDeps {
  readonly records: Pick<BuildRecords, 'readBuild'>;
  readonly driver: Pick<Driver, 'list' | 'cancel' | 'cleanUp'>;
  readonly now: () => Date;
  readonly onError: (error: unknown) => void;
}

/**
 * Removes builders that no record waits for any more: those whose worker died between recording the outcome and
 * cleaning up, and those of builds that are gone.
 */
export async function sweepBuilders({ records, driver, now, onError }: SweepDeps): Promise<void> {
  for (const name of await driver.list()) {
    const buildId = builderNamePattern.exec(name)?.[1]?.toUpperCase();
    if (!buildId) continue;
    const record = await records.readBuild(buildId);
    const work = record && workOf(record, 'platform').find((one) => isOf(one, name));
    if (work && isSeenTo(work, now())) continue;
    // Of many names the last is looked at late: its worker may have cleared it up, and a cancel would make it anew.
    if (!(await driver.list()).includes(name)) continue;
    // On a full disk a cancel cannot be noted, and one that cannot be removed must not keep the others.
    await driver.cancel(name).catch(onError);
    await driver.cleanUp(name).catch(onError);
  }
}

function isOf(work: PlatformBuild, name: string): boolean {
  return builderName(work, work.attempt) === name;
}

/** Removed under the hands of who clears it up, a builder would be canceled anew: made, to be removed again. */
function isSeenTo({ state, finishedAt }: PlatformBuild, now: Date): boolean {
  if (state === 'pending' || state === 'running') return true;
  return finishedAt !== null && now.getTime() - finishedAt.getTime() < clearedWithinMs;
}
