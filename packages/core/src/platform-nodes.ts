import type { Failure } from './reasons.ts';

/** A platform that nodes of the cluster, or this machine, are of: what a driver has to build for it now. */
export interface PlatformNodes {
  /** `os/architecture` */
  readonly platform: string;
  readonly nodes: number;
  /** Those that take a builder: ready, not cordoned, without a taint that builders do not tolerate. */
  readonly readyNodes: number;
  /** Why nothing is built for it now; null: it is. */
  readonly failure: Failure | null;
}

export interface SeenPlatforms {
  readonly platforms: readonly PlatformNodes[];
  readonly seenAt: Date;
}
