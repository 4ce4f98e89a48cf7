/** A build as the API shows it. The record may hold more; what is not named here is not sent. */
import { z } from 'zod';
import {
  buildStates,
  describeFailure,
  reasons,
  workOf,
  type Build,
  type BuildRecord,
  type BuildState,
  type Delivery,
  type Failure,
  type PlannedImage,
  type ReasonClass,
  type WorkState,
} from '@hephy/core';
import { durationOf, ImageDigest, Sha, Time, timeText, timeTextOrNull, Ulid } from './fields.ts';

const reasonClasses = [
  'user',
  'infrastructure',
  'registry',
  'hook',
  'internal',
] as const satisfies ReasonClass[];
const workStates = [
  'pending',
  'running',
  'succeeded',
  'failed',
  'canceled',
] as const satisfies WorkState[];

export const State = z.enum(buildStates satisfies readonly BuildState[]);

export const FailureView = z
  .object({
    reason: z.enum(Object.keys(reasons) as [string, ...string[]]),
    class: z.enum(reasonClasses),
    sentence: z.string().meta({ description: 'What failed, for people.' }),
    todo: z.string().meta({ description: 'What to do about it.' }),
    platform: z.string().nullable(),
    exitCode: z.number().int().nullable(),
  })
  .meta({ id: 'Failure' });

export function viewFailure(failure: Failure): z.output<typeof FailureView> {
  const facts = reasons[failure.reason];
  return {
    reason: failure.reason,
    class: facts.class,
    sentence: describeFailure(failure),
    todo: facts.todo,
    platform: failure.platform ?? null,
    exitCode: failure.exitCode ?? null,
  };
}

function viewFailureOrNull(failure: Failure | null): z.output<typeof FailureView> | null {
  return failure === null ? null : viewFailure(failure);
}

/** A build in a list. */
export const BuildSummary = z
  .object({
    id: Ulid,
    app: z.string(),
    number: z.number().int().meta({ description: 'Counts per app; what users call a build.' }),
    state: State,
    ref: z.string(),
    sha: Sha,
    pushedBy: z.string(),
    platforms: z.array(z.string()),
    failure: FailureView.nullable(),
    cancelRequest: z.object({ at: Time, by: z.string(), reason: z.string() }).nullable(),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
    durationMs: z.number().int().nullable().meta({ description: 'From the start to the end.' }),
  })
  .meta({ id: 'BuildSummary' });

export function viewBuild(build: Build): z.output<typeof BuildSummary> {
  const { cancelRequest: wish } = build;
  return {
    id: build.id,
    app: build.appName,
    number: build.number,
    state: build.state,
    ref: build.ref,
    sha: build.sha,
    pushedBy: build.pushedBy,
    platforms: [...new Set(build.plan.images.flatMap(({ platforms }) => platforms))],
    failure: viewFailureOrNull(build.failure),
    cancelRequest: wish && { at: timeText(wish.at), by: wish.by, reason: wish.reason },
    createdAt: timeText(build.createdAt),
    startedAt: timeTextOrNull(build.startedAt),
    finishedAt: timeTextOrNull(build.finishedAt),
    durationMs: durationOf(build),
  };
}

export const PlatformBuildView = z
  .object({
    platform: z.string(),
    state: z.enum(workStates),
    attempt: z.number().int(),
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
    durationMs: z.number().int().nullable(),
    exitCode: z.number().int().nullable(),
    digest: ImageDigest.nullable(),
    failure: FailureView.nullable(),
  })
  .meta({ id: 'PlatformBuild' });

export const ImageView = z
  .object({
    name: z.string(),
    repository: z.string(),
    reference: z
      .string()
      .nullable()
      .meta({ description: '`repository@digest`, once the image is published.' }),
    digest: ImageDigest.nullable(),
    mediaType: z.string().nullable(),
    tags: z.array(
      z.object({
        tag: z.string(),
        moved: z.boolean().meta({ description: 'False where a newer build owns the tag.' }),
      }),
    ),
    platforms: z.array(PlatformBuildView),
  })
  .meta({ id: 'Image' });

export const BuildDetails = BuildSummary.extend({
  images: z.array(ImageView),
  release: z.object({ version: z.number().int(), createdAt: Time }).nullable(),
}).meta({ id: 'Build' });

export function viewRecord(record: BuildRecord): z.output<typeof BuildDetails> {
  const { build, release } = record;
  return {
    ...viewBuild(build),
    images: build.plan.images.map((image) => viewImage(record, image)),
    release: release && { version: release.version, createdAt: timeText(release.createdAt) },
  };
}

function viewImage(record: BuildRecord, image: PlannedImage): z.output<typeof ImageView> {
  const { name, repository, platforms } = image;
  const published = workOf(record, 'publication').find((work) => work.image === name)?.result;
  return {
    name,
    repository,
    reference: published ? `${repository}@${published.digest}` : null,
    digest: published?.digest ?? null,
    mediaType: published?.mediaType ?? null,
    tags: published?.tags.map(({ tag, moved }) => ({ tag, moved })) ?? [],
    platforms: platforms.map((platform) => viewPlatformBuild(record, { image: name, platform })),
  };
}

/** What is planned and not recorded yet is pending. */
function viewPlatformBuild(
  record: BuildRecord,
  planned: { image: string; platform: string },
): z.output<typeof PlatformBuildView> {
  const work = workOf(record, 'platform').find(
    ({ image, platform }) => image === planned.image && platform === planned.platform,
  );
  return {
    platform: planned.platform,
    state: work?.state ?? 'pending',
    attempt: work?.attempt ?? 1,
    startedAt: timeTextOrNull(work?.startedAt ?? null),
    finishedAt: timeTextOrNull(work?.finishedAt ?? null),
    durationMs: work ? durationOf(work) : null,
    exitCode: work?.result?.exitCode ?? work?.failure?.exitCode ?? null,
    digest: work?.result?.digest ?? null,
    failure: viewFailureOrNull(work?.failure ?? null),
  };
}

export const DeliveryView = z
  .object({
    name: z.string(),
    deliveryId: z
      .string()
      .meta({ description: 'The `webhook-id` that each try of this delivery carries.' }),
    state: z.enum(workStates),
    attempt: z.number().int(),
    nextAttemptAt: Time.nullable(),
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
    status: z.number().int().nullable().meta({ description: 'What the hook answered.' }),
    failure: FailureView.nullable(),
  })
  .meta({ id: 'Delivery' });

export function viewDelivery(delivery: Delivery): z.output<typeof DeliveryView> {
  return {
    name: delivery.name,
    deliveryId: delivery.deliveryId,
    state: delivery.state,
    attempt: delivery.attempt,
    nextAttemptAt: timeTextOrNull(delivery.state === 'pending' ? delivery.notBefore : null),
    startedAt: timeTextOrNull(delivery.startedAt),
    finishedAt: timeTextOrNull(delivery.finishedAt),
    status: delivery.result?.status ?? null,
    failure: viewFailureOrNull(delivery.failure),
  };
}
