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

/** What the registry says no to for good. Everything else may be otherwise when the build is done. */
const refusals = new Set<Reason>(['TagImmutable', 'PushDenied', 'RegistryUnauthorized']);

export async function tryPublication(step: Step, deps: TryDeps): Promise<void> {
  const record = await deps.records.readBuild(step.buildId);
  if (!record) return;
  const tags = await deps.records.listUnprovenTags(tagsOf(record.build.plan));
  const repositories = [...Map.groupBy(tags, ({ repository }) => repository)];
  await holdWork(
    step,
    async (held) => {
      const tried = await Promise.all(repositories.map((one) => tryTags(one, held, deps)));
      return outcomeOf(tried.flat());
    },
    deps,
  );
}

interface Tried {
  readonly tag: ImageTag;
  readonly failure?: Failure;
  readonly isRefused?: boolean;
}

function outcomeOf(tried: readonly Tried[]): WorkOutcome {
  const refused = tried.find(({ isRefused }) => isRefused)?.failure;
  if (refused) return { state: 'failed', failure: withUser(refused) };
  const warnings = tried.flatMap(({ tag: { repository, tag }, failure }) =>
    failure
      ? `whether ${repository}:${tag} may move could not be tried (${failure.detail ?? failure.reason})`
      : [],
  );
  return { state: 'succeeded', result: { warnings } };
}

/** A right that lacks is told with whose it is: builders may be another user to the registry. */
function withUser(failure: Failure): Failure {
  const { reason, detail } = failure;
  if (reason === 'TagImmutable') return failure;
  return failureOf(reason, { detail: `publisher: ${detail}` });
}

/** Of one repository. */
async function tryTags(
  [repository, tags]: readonly [string, readonly ImageTag[]],
  { owner }: HeldWork,
  { records, trial, now, leaseMs }: TryDeps,
): Promise<Tried[]> {
  const at = now();
  const lease = { owner, until: new Date(at.getTime() + leaseMs) };
  if (!(await records.lockRepository({ repository, lease, at }))) {
    const failure = failureOf('RegistryUnavailable', { detail: 'its repository is locked' });
    return tags.map((tag) => ({ tag, failure }));
  }
  const before = new Date(at.getTime() + triesMs);
  let mayLand = false;
  const tried = await Promise.all(
    tags.map(async (tag): Promise<Tried> => {
      let written = false;
      const answer = await trial.tryTag({ ...tag, before, onWrite: () => (written = true) });
      if (answer.ok) return { tag };
      const { failure } = answer;
      const isFinal = refusals.has(failure.reason);
      mayLand ||= written && !isFinal;
      // Who may not begin an upload may be let write a manifest all the same, and that is all that a publisher writes.
      return { tag, failure, isRefused: isFinal && (written || failure.reason !== 'PushDenied') };
    }),
  );
  // What was written and not answered may land up to the end of the lock, as a move may: then only time unlocks.
  if (!mayLand) await records.unlockRepository({ repository, owner });
  return tried;
}
