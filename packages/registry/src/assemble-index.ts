import { buildIndex, formatPlatform, mediaTypes, parsePlatform } from '@hephy/oci';
import type { IndexFailure } from '@hephy/oci';
import { digestOf } from './digest.ts';
import { refuse } from './publish-failure.ts';
import type { PublishReason, Refused } from './publish-failure.ts';
import type { VerifiedChild } from './verify-child.ts';

export interface IndexOptions {
  /** What the index has to hold, in this order: neither less nor more. */
  readonly platforms: readonly string[];
  /** `auto`: a Docker list if every child is Docker's and there are no annotations, else an OCI index.
   *  `oci` and `docker` refuse children of the other kind; nothing is ever relabelled. */
  readonly mode: 'auto' | 'oci' | 'docker';
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface AssembledIndex {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

/** Pure: the same children and options give the same bytes. */
export function assembleIndex(
  children: readonly VerifiedChild[],
  { platforms, mode, annotations = {} }: IndexOptions,
): ({ ok: true } & AssembledIndex) | Refused {
  const byPlatform = new Map(
    children.map((child) => [formatPlatform(child.configPlatform), child] as const),
  );
  const ordered: VerifiedChild[] = [];
  for (const platform of platforms) {
    const child = byPlatform.get(canonical(platform));
    if (!child) return refuse('DigestMissing', `an index without ${platform} would be partial`);
    ordered.push(child);
  }
  if (children.length !== platforms.length) {
    const what = `${children.length} images for the ${platforms.length} platforms asked for`;
    return refuse('PlatformMismatch', `the index would hold ${what}`);
  }
  const foreign = ordered.find(({ descriptor }) => descriptor.mediaType !== mediaTypes.ociManifest);
  if (mode === 'oci' && foreign) {
    const what = `${formatPlatform(foreign.configPlatform)} is ${foreign.descriptor.mediaType}`;
    return refuse('MediaTypeConflict', `an index of OCI images alone was asked for, and ${what}`);
  }
  const built = buildIndex({
    children: ordered.map(({ descriptor, configPlatform }) => ({
      descriptor,
      platform: configPlatform,
    })),
    kind: mode === 'auto' ? kindOf(ordered, annotations) : mode,
    annotations,
  });
  if (!built.ok) return refuse(recorded(built.failure.reason), built.failure.message);
  return { ...built, digest: digestOf(built.bytes) };
}

function kindOf(
  children: readonly VerifiedChild[],
  annotations: Readonly<Record<string, string>>,
): 'oci' | 'docker' {
  const allDocker = children.every(
    ({ descriptor }) => descriptor.mediaType === mediaTypes.dockerManifest,
  );
  return allDocker && Object.keys(annotations).length === 0 ? 'docker' : 'oci';
}

function canonical(platform: string): string {
  const parsed = parsePlatform(platform);
  return parsed.ok ? formatPlatform(parsed.platform) : platform;
}

function recorded(reason: IndexFailure['reason']): PublishReason {
  if (reason === 'PartialRefused') return 'DigestMissing';
  return reason === 'DuplicatePlatform' ? 'PlatformMismatch' : reason;
}
