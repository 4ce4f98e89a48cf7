import type { SeenPlatforms } from '@hephy/core';
import type { Driver } from '@hephy/drivers';

export interface RecordPlatformsDeps {
  readonly driver: Pick<Driver, 'platforms'>;
  readonly platforms: { recordPlatforms(seen: SeenPlatforms): Promise<void> };
  readonly now: () => Date;
}

/** Tells the other roles what can be built for: none of them may ask the cluster. */
export async function recordPlatforms({
  driver,
  platforms,
  now,
}: RecordPlatformsDeps): Promise<void> {
  const seenAt = now();
  await platforms.recordPlatforms({ platforms: await driver.platforms(), seenAt });
}
