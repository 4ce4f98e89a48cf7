import type { Builders } from './builders.ts';
import type { Arrival } from './hook.ts';
import type { MemoryBuild } from './memory-build.ts';
import type { Reader } from './reader.ts';
import type { SimulatedRegistry } from './registry.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

/** All that one run has left, for the checks. */
export interface Observed {
  readonly world: World;
  readonly scenario: Scenario;
  readonly builds: ReadonlyMap<string, MemoryBuild>;
  readonly registry: SimulatedRegistry;
  readonly builders: Builders;
  readonly arrivals: readonly Arrival[];
  readonly readers: readonly Reader[];
}

/** The build that made the image, or the children of the index, under this digest. */
export function buildOfDigest(
  digest: string,
  { registry, builds }: Pick<Observed, 'registry' | 'builds'>,
): MemoryBuild | undefined {
  const [child] = registry.indexes.get(digest) ?? [digest];
  return builds.get(registry.images.get(child ?? '')?.buildId ?? '');
}
