import type { Build } from '@hephy/core';
import type { PreflightResult } from '@hephy/drivers';

/**
 * Looks, before anything starts, at what may keep a build from succeeding. Refuses only what is certain; what it cannot
 * find out before the signal aborts is a warning. Leaves nothing behind.
 */
export type PreflightCheck = (
  build: Pick<Build, 'plan' | 'source'>,
  signal: AbortSignal,
) => Promise<PreflightResult>;
