/**
 * Asks, before anything is built, whether a publication will be let in: the tags that the record knows nothing good of are
 * written once more as they are, under the lock of their repository, so that none goes back over another build's.
 */
import {
  failureOf,
  holdWork,
  tagsOf,
  type BuildRecords,
  type Failure,
  type HeldWork,
  type HoldDeps,
  type ImageTag,
  type Reason,
  type Step,
  type WorkOutcome,
} from '@hephy/core';
import type { ReleaseRegistry } from './release-registry.ts';

export interface TryDeps extends HoldDeps {
  readonly records: HoldDeps['records'] &
    Pick<BuildRecords, 'readBuild' | 'listUnprovenTags' | 'lockRepository' | 'unlockRepository'>;
  /** Over a client that tries once: a second try would come too late. */
  readonly trial: Pick<ReleaseRegistry, 'tryTag'>;
}

/** What is not answered by then is let pass, as in every preflight. */
const triesMs = 1_700;
/** What was given up may land a little later. */
const lockMs = 5_000;

/** Everything else may be otherwise when the build is done. */
const refusals = new Set<Reason>(['TagImmutable', 'PushDenied', 'RegistryUnauthorized']);

export async function tryPublication(step: Step, deps: TryDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  if (!record) return;
  const tags = await deps.records.listUnprovenTags(tagsOf(record.build.plan));
  const repositories = [...Map.groupBy(tags, ({ repository }) => repository).values()];
  await holdWork(
    step,
    async (held) => {
      const tried = await Promise.all(repositories.map((tags) => tryTags(tags, held, deps)));
      return outcomeOf(tried.flat());
    },
    deps,
  );
}

interface Tried {
  readonly tag: ImageTag;
  readonly failure?: Failure;
}

function outcomeOf(tried: readonly Tried[]): WorkOutcome {
  const failed = tried.flatMap(({ tag, failure }) => (failure ? [{ tag, failure }] : []));
  const refused = failed.find(({ failure }) => refusals.has(failure.reason));
  if (refused) return { state: 'failed', failure: refused.failure };
  const warnings = failed.map(
    ({ tag: { repository, tag }, failure }) =>
      `whether ${repository}:${tag} may move could not be tried (${failure.detail ?? failure.reason})`,
  );
  return { state: 'succeeded', result: { warnings } };
}

/** Of one repository. */
async function tryTags(
  tags: readonly ImageTag[],
  { owner }: HeldWork,
  { records, trial, now }: TryDeps,
): Promise<Tried[]> {
  const repository = tags[0]?.repository ?? '';
  const at = now();
  const lease = { owner, until: new Date(at.getTime() + lockMs) };
  if (!(await records.lockRepository({ repository, lease, at }))) {
    const failure = failureOf('RegistryUnavailable', { detail: 'another build publishes there' });
    return tags.map((tag) => ({ tag, failure }));
  }
  const before = new Date(at.getTime() + triesMs);
  const tried = await Promise.all(
    tags.map(async (tag): Promise<Tried> => {
      const answer = await trial.tryTag({ ...tag, before });
      return answer.ok ? { tag } : { tag, failure: answer.failure };
    }),
  );
  // What was not answered may still land, up to the end of the lock: then only time unlocks.
  const answered = tried.every(({ failure }) => !failure || refusals.has(failure.reason));
  if (answered) await records.unlockRepository({ repository, owner });
  return tried;
}
