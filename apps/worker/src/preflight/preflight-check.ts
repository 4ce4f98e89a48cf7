import type { Build, Preflight } from '@hephy/core';
import type { PreflightResult } from '@hephy/drivers';

/** `basePlatforms` is as in the result of a `Preflight`; whoever is refused has found it out too. */
export type CheckResult = PreflightResult & Pick<NonNullable<Preflight['result']>, 'basePlatforms'>;

/**
 * Looks, before anything starts, at what may keep a build from succeeding. Refuses only what is certain; what it cannot
 * find out before the signal aborts is a warning. Leaves nothing behind.
 */
export type PreflightCheck = (
  build: Pick<Build, 'plan' | 'source'>,
  signal: AbortSignal,
) => Promise<CheckResult>;
