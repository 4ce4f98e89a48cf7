import type { Descriptor } from './descriptor.ts';
import { isImageMediaType, mediaTypes } from './media-types.ts';
import { formatPlatform } from './platform.ts';
import type { Platform } from './platform.ts';

export interface IndexChild {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
}

export interface IndexInput {
  /** In the order of the index; a runtime takes the first child that fits. */
  readonly children: readonly IndexChild[];
  /** `docker` is the manifest list of Docker's schema 2, which holds Docker's images alone. */
  readonly kind: 'oci' | 'docker';
  /** Of the index; a Docker list has no place for them. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface IndexFailure {
  readonly reason: 'PartialRefused' | 'DuplicatePlatform' | 'MediaTypeConflict';
  readonly message: string;
}

export type BuiltIndex =
  { ok: true; bytes: Uint8Array; mediaType: string } | { ok: false; failure: IndexFailure };

/** The index's bytes: the same input gives the same bytes, so the digest names the content.
 *  Refuses no children, two children for one platform, and what the kind can't hold.
 *  Source: OCI image-spec v1.1, image-index.md. */
export function buildIndex(input: IndexInput): BuiltIndex {
  const failure = findIndexFailure(input);
  if (failure) return { ok: false, failure };
  const mediaType = input.kind === 'oci' ? mediaTypes.ociIndex : mediaTypes.dockerList;
  const annotations = Object.entries(input.annotations ?? {}).toSorted(byKey);
  const index = {
    schemaVersion: 2,
    mediaType,
    manifests: input.children.map(indexEntry),
    ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
  };
  return { ok: true, bytes: new TextEncoder().encode(JSON.stringify(index)), mediaType };
}

function indexEntry({ descriptor, platform }: IndexChild) {
  return {
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    platform: {
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.osVersion && { 'os.version': platform.osVersion }),
      ...(platform.osFeatures && { 'os.features': platform.osFeatures }),
      ...(platform.variant && { variant: platform.variant }),
    },
  };
}

function findIndexFailure(input: IndexInput): IndexFailure | undefined {
  if (input.children.length === 0) {
    return { reason: 'PartialRefused', message: 'an index needs at least one image' };
  }
  const seen = new Set<string>();
  for (const { descriptor, platform } of input.children) {
    const name = formatPlatform(platform);
    // Windows lists one entry for each os.version, which is what tells them apart.
    const key = `${name} ${platform.osVersion ?? ''}`;
    if (seen.has(key)) {
      return { reason: 'DuplicatePlatform', message: `two images of this index are for ${name}` };
    }
    seen.add(key);
    const holds =
      input.kind === 'oci'
        ? isImageMediaType(descriptor.mediaType)
        : descriptor.mediaType === mediaTypes.dockerManifest;
    if (!holds) return conflict(`its image for ${name} is ${descriptor.mediaType}`, input.kind);
  }
  if (input.kind === 'docker' && Object.keys(input.annotations ?? {}).length > 0) {
    return conflict('it has annotations', input.kind);
  }
  return undefined;
}

function conflict(what: string, kind: IndexInput['kind']): IndexFailure {
  const name = kind === 'oci' ? 'an OCI index' : 'a Docker manifest list';
  const next = kind === 'oci' ? 'build an image, not an artifact' : 'publish an OCI index instead';
  return { reason: 'MediaTypeConflict', message: `${name} can't be made: ${what}; ${next}` };
}

function byKey([one]: [string, string], [other]: [string, string]): number {
  return one < other ? -1 : 1;
}
