import { builderName, workOf, type BuildRecords } from '@hephy/core';
import type { Driver } from '@hephy/drivers';

/** `b-<build ULID>-…`, as `builderName` makes it. */
const builderNamePattern = /^b-([0-9a-hjkmnp-tv-z]{26})-/;

/**
 * Removes builders that no record waits for any more: those whose worker died between recording the outcome and
 * cleaning up, and those of builds that are gone.
 */
export async function sweepBuilders({
  records,
  driver,
  onError,
}: {
  records: Pick<BuildRecords, 'readBuild'>;
  driver: Pick<Driver, 'list' | 'cancel' | 'cleanUp'>;
  onError: (error: unknown) => void;
}): Promise<void> {
  for (const name of await driver.list()) {
    const buildId = builderNamePattern.exec(name)?.[1]?.toUpperCase();
    if (!buildId || (await isAwaited({ name, buildId }, records))) continue;
    // On a full disk a cancel cannot be noted, and one that cannot be removed must not keep the others.
    await driver.cancel(name).catch(onError);
    await driver.cleanUp(name).catch(onError);
  }
}

async function isAwaited(
  { name, buildId }: { name: string; buildId: string },
  records: Pick<BuildRecords, 'readBuild'>,
): Promise<boolean> {
  const record = await records.readBuild(buildId);
  return (
    record !== undefined &&
    workOf(record, 'platform').some(
      (work) =>
        builderName(work, work.attempt) === name &&
        (work.state === 'pending' || work.state === 'running'),
    )
  );
}
