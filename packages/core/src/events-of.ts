/**
 * The history that a write leaves, as pure functions: every kind of record (PostgreSQL, the simulator's memory) appends
 * exactly these events in the same step as the write itself.
 */
import { z } from 'zod';
import type { Build, Work } from './build.ts';
import type { BuildChange } from './decide.ts';
import type { BuildEvent } from './output.ts';
import type { WorkOutcome } from './record.ts';

/** What `eventsOf` has to know beside the change itself. */
export interface ChangeFacts {
  readonly appName: string;
  /** The work before the change. */
  readonly work: readonly Work[];
  /** The version that the change gives the new release; undefined if the build has its release already. */
  readonly releaseVersion: number | undefined;
}

/** The events of one `applyChange`, in order. */
export function eventsOf(change: BuildChange, facts: ChangeFacts): BuildEvent[] {
  const { state, failure } = change;
  return [
    ...(change.retryWork ?? []).flatMap(({ key }) => retryEvents(key, facts.work)),
    ...(state ? [{ type: 'build.state' as const, state, ...(failure && { failure }) }] : []),
    ...(change.release && facts.releaseVersion !== undefined
      ? [
          {
            type: 'release.created' as const,
            version: facts.releaseVersion,
            appName: facts.appName,
          },
        ]
      : []),
  ];
}

function retryEvents(
  { kind, name }: Pick<Work, 'kind' | 'name'>,
  works: readonly Work[],
): BuildEvent[] {
  const work = works.find((item) => item.kind === kind && item.name === name);
  if (!work?.failure) return [];
  const { failure, attempt } = work;
  return [{ type: 'work.retried', what: titleOf(work), attempt: attempt + 1, failure }];
}

function titleOf(work: Work): string {
  switch (work.kind) {
    case 'preflight':
      return 'preflight';
    case 'publication-preflight':
      return 'preflight of the publication';
    case 'platform':
      return work.name;
    case 'publication':
      return `publishing ${work.image}`;
    case 'delivery':
      return 'release hook';
  }
}

/** The events of a claim; `work` is as it was before. Taking over an attempt that runs already is no news. */
export function eventsOfClaim(work: Work): BuildEvent[] {
  if (work.kind !== 'platform' || work.state !== 'pending') return [];
  const { platform, image, attempt } = work;
  return [{ type: 'platform.started', platform, image, attempt }];
}

const PreflightResult = z.object({ warnings: z.array(z.string()) });
const PlatformResult = z.object({ digest: z.string() });
const PublicationResult = z.object({
  digest: z.string(),
  mediaType: z.string(),
  tags: z.array(z.object({ tag: z.string(), moved: z.boolean() })),
});
const DeliveryResult = z.object({ status: z.number() });

/** The events of `finishWork`; `work` is as it was before. A result of the wrong shape is a bug of the caller: it throws. */
export function eventsOfFinish(input: {
  work: Work;
  plan: Build['plan'];
  outcome: WorkOutcome;
  at: Date;
}): BuildEvent[] {
  const { work, outcome } = input;
  if (work.kind === 'platform') return [platformFinished({ ...input, work })];
  if (outcome.state !== 'succeeded') return [];
  switch (work.kind) {
    case 'preflight':
    case 'publication-preflight':
      return PreflightResult.parse(outcome.result).warnings.map((message) => ({
        type: 'preflight.warning',
        message,
      }));
    case 'publication': {
      const { image } = work;
      const planned = input.plan.images.find(({ name }) => name === image);
      const result = PublicationResult.parse(outcome.result);
      const repository = planned?.repository ?? image;
      return [{ type: 'publication.finished', image, repository, ...result }];
    }
    case 'delivery': {
      const { deliveryId } = work;
      const { status } = DeliveryResult.parse(outcome.result);
      return [{ type: 'delivery.finished', deliveryId, status }];
    }
  }
}

function platformFinished(input: {
  work: Extract<Work, { kind: 'platform' }>;
  outcome: WorkOutcome;
  at: Date;
}): BuildEvent {
  const { work, outcome, at } = input;
  const { platform, image, attempt } = work;
  return {
    type: 'platform.finished',
    platform,
    image,
    attempt,
    state: outcome.state,
    durationMs: Math.max(0, at.getTime() - (work.startedAt ?? at).getTime()),
    ...(outcome.state === 'succeeded' && { digest: PlatformResult.parse(outcome.result).digest }),
    ...(outcome.state === 'failed' && { failure: outcome.failure }),
  };
}
