import type { BuildPlan } from '@hephy/core';
import { platformLabel } from '@hephy/oci';

/** The short names that prefix the log lines of a build's platforms: `amd64`, `arm64`. */
export function platformLabels(plan: BuildPlan): ReadonlyMap<string, string> {
  const platforms = [...new Set(plan.images.flatMap((image) => image.platforms))];
  return new Map(platforms.map((platform) => [platform, platformLabel(platform, platforms)]));
}
