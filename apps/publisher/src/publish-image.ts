/**
 * Publishes one image of a build, under the lock of its repository:
 *
 *     verify every child ─▶ write the index by digest ─▶ for each tag: claim it in the record, move it, read it back
 *
 * A tag is claimed before it moves, by build number; so an older build that comes late finds a newer claim, and leaves
 * the tag alone, whatever crashed in between. Nothing is tagged before all children are verified.
 */
import {
  askedFormat,
  builderName,
  failureOf,
  holdWork,
  workOf,
  type Build,
  type BuildRecords,
  type Failure,
  type HeldWork,
  type HoldDeps,
  type PlannedImage,
  type PlatformBuild,
  type Publication,
  type PublishedTag,
  type Step,
  type WorkOutcome,
} from '@hephy/core';
import type { ReleaseRegistry, StoredImage, VerifiedChild } from './release-registry.ts';

export interface PublishDeps extends HoldDeps {
  readonly records: HoldDeps['records'] &
    Pick<
      BuildRecords,
      'readBuild' | 'claimTag' | 'noteTagMove' | 'lockRepository' | 'unlockRepository'
    >;
  readonly registry: ReleaseRegistry;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

interface Publishing {
  readonly build: Build;
  readonly image: PlannedImage;
  readonly platforms: readonly PlatformBuild[];
}

class PublishFailure extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.reason);
    this.failure = failure;
  }
}

export async function publishImage(step: Step, deps: PublishDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  const image = record?.build.plan.images.find(({ name }) => name === step.name);
  if (!record || !image) return;
  const platforms = workOf(record, 'platform').filter((work) => work.image === image.name);
  await holdWork(
    step,
    (held) => publishUnderLock({ build: record.build, image, platforms }, held, deps),
    deps,
  );
}

async function publishUnderLock(
  publishing: Publishing,
  held: HeldWork,
  deps: PublishDeps,
): Promise<WorkOutcome> {
  const { repository } = publishing.image;
  const unlock = (): Promise<void> =>
    deps.records.unlockRepository({ repository, owner: held.owner });
  try {
    const verified = await storeImage(publishing, held, deps).catch(async (error: unknown) => {
      await unlock();
      throw error;
    });
    const moves = await moveTags(publishing, { ...verified, held }, deps);
    const failed = moves.filter((move) => move.status === 'rejected');
    // A move that fails may still land, up to the end of the lock: then only time unlocks.
    if (failed.every(({ reason }) => isFinal(reason))) await unlock();
    if (failed[0]) throw failed[0].reason;
    const tags = moves.flatMap((move) => (move.status === 'fulfilled' ? [move.value] : []));
    return { state: 'succeeded', result: resultOf({ ...verified, tags }) };
  } catch (error) {
    if (error instanceof PublishFailure) return { state: 'failed', failure: error.failure };
    throw error;
  }
}

/** All that can be done without touching a tag. */
async function storeImage(
  publishing: Publishing,
  held: HeldWork,
  deps: PublishDeps,
): Promise<{ children: VerifiedChild[]; stored: StoredImage }> {
  await lockRepository(publishing.image.repository, held, deps);
  const children = await verifyChildren(publishing, held, deps);
  return { children, stored: await putImage(publishing, { children, held }, deps) };
}

function resultOf(published: {
  stored: StoredImage;
  children: readonly VerifiedChild[];
  tags: readonly PublishedTag[];
}): NonNullable<Publication['result']> {
  const { digest, mediaType, bytes } = published.stored;
  return {
    digest,
    mediaType,
    sizeBytes: bytes.length,
    children: published.children.map((child) => ({
      platform: child.platform,
      digest: child.descriptor.digest,
    })),
    tags: published.tags,
  };
}

const lockPollMs = 500;
const lockPolls = 120;

/** Waits for the repository's lock; a publisher that was killed frees it when its lease is over. */
async function lockRepository(
  repository: string,
  held: HeldWork,
  deps: PublishDeps,
): Promise<void> {
  for (let poll = 0; poll < lockPolls; poll += 1) {
    if (await extendLock(repository, held, deps)) return;
    await deps.wait(lockPollMs, held.signal);
  }
  throw refused(failureOf('InternalError', { detail: `${repository} stays locked` }));
}

/** Answers until when the lock is ours; undefined while it is somebody else's. */
async function extendLock(
  repository: string,
  held: HeldWork,
  { records, now, leaseMs }: PublishDeps,
): Promise<Date | undefined> {
  held.signal.throwIfAborted();
  const at = now();
  const until = new Date(at.getTime() + leaseMs);
  const lease = { owner: held.owner, until };
  return (await records.lockRepository({ repository, lease, at })) ? until : undefined;
}

/** Every platform of the plan, in its order: a child that is missing from the record is a refusal, not a gap. */
async function verifyChildren(
  { image, platforms }: Publishing,
  held: HeldWork,
  { registry }: PublishDeps,
): Promise<VerifiedChild[]> {
  const reported = image.platforms.map((platform) => {
    const work = platforms.find((candidate) => candidate.platform === platform);
    if (work?.state !== 'succeeded' || work.result?.exitCode !== 0) {
      throw refused(failureOf('DigestMissing', { platform, detail: 'no recorded exit code 0' }));
    }
    return { platform, digest: work.result.digest, tag: builderName(work, work.attempt) };
  });
  const { repository } = image;
  return Promise.all(
    reported.map(async (child) =>
      valueOf(await registry.verifyChild({ ...child, repository, signal: held.signal })),
    ),
  );
}

async function putImage(
  { image }: Publishing,
  { children, held }: { children: readonly VerifiedChild[]; held: HeldWork },
  { registry }: PublishDeps,
): Promise<StoredImage> {
  const { repository, index, options } = image;
  const format = askedFormat(options) ?? 'auto';
  const { signal } = held;
  return valueOf(await registry.putImage({ repository, children, index, format, signal }));
}

async function moveTags(
  publishing: Publishing,
  what: { stored: StoredImage; held: HeldWork },
  deps: PublishDeps,
): Promise<PromiseSettledResult<PublishedTag>[]> {
  return Promise.allSettled(
    publishing.image.tags.map((tag) => moveTag(tag, { ...publishing, ...what }, deps)),
  );
}

async function moveTag(
  tag: string,
  { build, image, stored, held }: Publishing & { stored: StoredImage; held: HeldWork },
  deps: PublishDeps,
): Promise<PublishedTag> {
  const { repository } = image;
  // Renewed right before each move, which may not outlast it: a request that hangs must not land on a later build's.
  const before = await extendLock(repository, held, deps);
  if (!before) {
    throw refused(failureOf('InternalError', { detail: `lost the lock of ${repository}` }));
  }
  const moved = await deps.records.claimTag({ repository, tag, buildNumber: build.number });
  if (moved) {
    const move = { repository, tag, image: stored, before, signal: held.signal };
    const answer = await deps.registry.moveTag(move);
    // What named nothing before, or the same, is neither proven by it nor refuted.
    if (!answer.ok || answer.value.proven) {
      await deps.records.noteTagMove({ repository, tag, proven: answer.ok });
    }
    valueOf(answer);
  }
  return { tag, moved };
}

function valueOf<T>(answer: { ok: true; value: T } | { ok: false; failure: Failure }): T {
  if (!answer.ok) throw refused(answer.failure);
  return answer.value;
}

/** A tag that may not move is not moved by a try before, either. */
function isFinal(error: unknown): boolean {
  return error instanceof PublishFailure && error.failure.reason === 'TagImmutable';
}

function refused(failure: Failure): PublishFailure {
  return new PublishFailure(failure);
}
