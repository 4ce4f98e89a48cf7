/**
 * A build is one run for one commit. Its parts that some process has to carry out are its *work*: the preflight, that of
 * its publication where it is not known to be allowed, a platform build for each image and platform, a publication for
 * each image, and the deliveries of the release. All share one life, held by a lease, so that a killed process is
 * replaced and a late one is ignored:
 *
 *     pending ──claim──▶ running ──finish──▶ succeeded | failed | canceled
 *        ▲                  │ lease over: anybody may claim again, and adopts what runs
 *        └── next attempt ──┘ (only `decide` does that, after a failure that is worth it)
 *
 *     build:  queued ─▶ building ─▶ publishing ─▶ releasing ─▶ succeeded
 *               └──────────┴─▶ canceling ─▶ canceled | superseded | failed   (failed also from publishing and releasing)
 */
import type { BuildPlan } from './build-plan.ts';
import type { Failure } from './reasons.ts';

export const buildStates = [
  'queued',
  'building',
  'publishing',
  'releasing',
  'canceling',
  'succeeded',
  'failed',
  'canceled',
  'superseded',
] as const;
export type BuildState = (typeof buildStates)[number];

export const terminalStates: readonly BuildState[] = [
  'succeeded',
  'failed',
  'canceled',
  'superseded',
];

export function isTerminal(state: BuildState): boolean {
  return terminalStates.includes(state);
}

export interface CancelRequest {
  readonly at: Date;
  /** A user's name, or `client` when the pusher's git went away. */
  readonly by: string;
  readonly reason: string;
  /** A newer push takes the build's place: it ends as `superseded`. */
  readonly superseded: boolean;
}

export interface Build {
  /** ULID. */
  readonly id: string;
  readonly appId: string;
  readonly appName: string;
  /** 1, 2, 3 … per app: the number that users see, and the order that tags follow. */
  readonly number: number;
  /** The commit: 40 hex digits. */
  readonly sha: string;
  readonly ref: string;
  readonly pushedBy: string;
  readonly source: SourceRef;
  readonly plan: BuildPlan;
  readonly state: BuildState;
  readonly failure: Failure | null;
  readonly cancelRequest: CancelRequest | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly deadlineAt: Date;
  /** Counts every write to the build or its work; the compare-and-set of `applyChange`. */
  readonly version: number;
}

/** A tarball of the commit's tree, uncompressed, found by its content. */
export interface SourceRef {
  /** 64 hex digits. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export const workKinds = [
  'preflight',
  'publication-preflight',
  'platform',
  'publication',
  'delivery',
] as const;
export type WorkKind = (typeof workKinds)[number];
export type WorkState = 'pending' | 'running' | 'succeeded' | 'failed' | 'canceled';

export interface WorkKey {
  readonly buildId: string;
  readonly kind: WorkKind;
  /** Unique for the kind within the build: `web linux/arm64`, `web`, `webhook`. */
  readonly name: string;
}

interface WorkLife extends WorkKey {
  readonly state: WorkState;
  /** 1 for the first. */
  readonly attempt: number;
  /** A pending attempt may not start before this. */
  readonly notBefore: Date | null;
  readonly leaseUntil: Date | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly failure: Failure | null;
  /** Why the attempts before this one failed, the first one first. */
  readonly pastFailures: readonly Failure[];
}

export interface Preflight extends WorkLife {
  readonly kind: 'preflight';
  readonly result: {
    readonly warnings: readonly string[];
    /**
     * Canonical: those that every base image of the build is for. null: no list holds for all platforms, as of
     * `FROM scratch` or `FROM base:$TARGETARCH`. Absent: it was not found out.
     */
    readonly basePlatforms?: readonly string[] | null;
  } | null;
}

/** Asks the registry about tags that are not proven, as the publisher and before anything is built. */
export interface PublicationPreflight extends WorkLife {
  readonly kind: 'publication-preflight';
  readonly result: { readonly warnings: readonly string[] } | null;
}

export interface ImageTag {
  /** `registry/repository` */
  readonly repository: string;
  readonly tag: string;
}

export interface PlatformBuild extends WorkLife {
  readonly kind: 'platform';
  readonly image: string;
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
  /** What the builder reported. The publisher believes none of it before the registry agrees. */
  readonly result: { readonly exitCode: number; readonly digest: string } | null;
}

export interface PublishedTag {
  readonly tag: string;
  /** False where a newer build already owns the tag. */
  readonly moved: boolean;
}

export interface Publication extends WorkLife {
  readonly kind: 'publication';
  readonly image: string;
  readonly result: {
    readonly digest: string;
    readonly mediaType: string;
    readonly sizeBytes: number;
    readonly children: readonly { readonly platform: string; readonly digest: string }[];
    readonly tags: readonly PublishedTag[];
  } | null;
}

export interface Delivery extends WorkLife {
  readonly kind: 'delivery';
  /** The `webhook-id` of every try: the receiver's key for "once". */
  readonly deliveryId: string;
  readonly result: { readonly status: number } | null;
}

export type Work = Preflight | PublicationPreflight | PlatformBuild | Publication | Delivery;

export interface Release {
  readonly buildId: string;
  /** v1, v2 … per app. */
  readonly version: number;
  readonly createdAt: Date;
}

/** All that is recorded of one build, as `decide` reads it. */
export interface BuildRecord {
  readonly build: Build;
  readonly work: readonly Work[];
  readonly release: Release | null;
}

/** All tags that the build is to move. */
export function tagsOf({ images }: BuildPlan): ImageTag[] {
  return images.flatMap(({ repository, tags }) => tags.map((tag) => ({ repository, tag })));
}

export function workOf<K extends WorkKind>(
  record: BuildRecord,
  kind: K,
): readonly Extract<Work, { kind: K }>[] {
  return record.work.filter((work): work is Extract<Work, { kind: K }> => work.kind === kind);
}

export function platformWorkName(image: string, platform: string): string {
  return `${image} ${platform}`;
}

/** `b-<build>-<image>-<platform>-a<attempt>`: the builder, and the tag it pushes to; the same for whoever asks. */
export function builderName(
  work: Pick<PlatformBuild, 'buildId' | 'image' | 'platform'>,
  attempt: number,
): string {
  const platform = work.platform.replaceAll('/', '-');
  return `b-${work.buildId.toLowerCase()}-${work.image}-${platform}-a${attempt}`;
}
