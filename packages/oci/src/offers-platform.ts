import { normalizePlatform, type Platform } from './platform.ts';

/** Whether one of an image's platforms can stand for the one that is wanted: an older variant runs where a newer one does,
 *  and one that says no variant may be any. Source: containerd's platforms package, `platformVector`. */
export function offersPlatform(offered: readonly Platform[], wanted: Platform): boolean {
  const goal = normalizePlatform(wanted);
  return offered.some((platform) => {
    const { os, architecture, variant } = normalizePlatform(platform);
    if (os !== goal.os || architecture !== goal.architecture) return false;
    return platform.variant === undefined || versionOf(variant) <= versionOf(goal.variant);
  });
}

/** `v7` is 7; the variant that goes without saying is the oldest. */
function versionOf(variant: string | undefined): number {
  return Number(variant?.replace(/^v/, '') ?? 0);
}
