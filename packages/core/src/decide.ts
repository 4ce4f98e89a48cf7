/**
 * The one place that chooses what happens next. `decide` reads the record and the time, and answers with at most one
 * change of the record and the work that has to run now. It is level-triggered: asked again, it answers the same until
 * the record says otherwise; so a lost, late or doubled message costs nothing.
 */
import {
  isTerminal,
  platformWorkName,
  workOf,
  type BuildRecord,
  type BuildState,
  type ImageTag,
  type Work,
  type WorkKey,
  type WorkKind,
} from './build.ts';
import { failureOf, isRetried, type Failure } from './reasons.ts';

/** A write to the record, as data: the store applies all of it or nothing. */
export interface BuildChange {
  readonly state?: BuildState;
  readonly failure?: Failure;
  /** Creates the release row, with the app's next version. */
  readonly release?: true;
  readonly addWork?: readonly NewWork[];
  /** Work that is pending again with the next attempt. */
  readonly retryWork?: readonly { readonly key: WorkKey; readonly notBefore: Date }[];
  /** Pending work that will never run. */
  readonly cancelWork?: readonly WorkKey[];
}

export type NewWork =
  | { readonly kind: 'preflight' | 'publication-preflight'; readonly name: string }
  | {
      readonly kind: 'platform';
      readonly name: string;
      readonly image: string;
      readonly platform: string;
    }
  | { readonly kind: 'publication'; readonly name: string; readonly image: string }
  | { readonly kind: 'delivery'; readonly name: string };

export interface Step extends WorkKey {
  readonly attempt: number;
}

export interface Decision {
  readonly change?: BuildChange;
  /** What has to run now; whoever gets a step claims the work first, so a step may be given many times. */
  readonly steps: readonly Step[];
  /** When to ask again if nothing else happens before; undefined when the build has ended. */
  readonly askAgainAt?: Date;
  /** All that it lacks is a worker that takes its steps: nobody is at work for it. */
  readonly waitsInLine?: true;
}

const maxAttempts: Record<WorkKind, number> = {
  preflight: 3,
  'publication-preflight': 3,
  platform: 3,
  publication: 3,
  delivery: 4,
};

/** Waits before attempt 2, 3 and 4. The delivery's sum is what a pusher may wait for a hook that is down. */
const retryDelaysMs: Record<WorkKind, readonly number[]> = {
  preflight: [1_000, 5_000],
  'publication-preflight': [1_000, 5_000],
  platform: [1_000, 10_000],
  publication: [1_000, 10_000],
  delivery: [1_000, 5_000, 20_000],
};

/** What is known of a build when it is decided on. */
export interface RecordToDecide extends BuildRecord {
  /** Of the build's tags, as long as it has no work. */
  readonly unprovenTags?: readonly ImageTag[];
}

export function decide(record: RecordToDecide, now: Date): Decision {
  const { build } = record;
  if (isTerminal(build.state)) return { steps: [] };
  return (
    decideRetry(record, now) ??
    decideStop(record, now) ??
    decideNextState(record) ??
    handSteps(record, now)
  );
}

function handSteps(record: BuildRecord, now: Date): Decision {
  const steps = dueSteps(record, now);
  const askAgainAt = nextMoment(record, now);
  return { steps, askAgainAt, ...(waitsInLine(record, steps) && { waitsInLine: true }) };
}

/** What publishers do has no line: what waits for them longer than a moment is lost. */
function waitsInLine({ work }: BuildRecord, steps: readonly Step[]): boolean {
  const inLine = steps.filter(({ kind }) => kind === 'preflight' || kind === 'platform');
  return inLine.length > 0 && work.every(({ state }) => state !== 'running');
}

/** A failed attempt that is worth another one, unless the build is being stopped. */
function decideRetry({ build, work }: BuildRecord, now: Date): Decision | undefined {
  if (isStopping({ build, work })) return undefined;
  const retryWork = work
    .filter((item) => item.state === 'failed' && mayTryAgain(item))
    .map((item) => ({
      key: keyOf(item),
      notBefore: new Date(now.getTime() + (retryDelaysMs[item.kind][item.attempt - 1] ?? 0)),
    }));
  return retryWork.length > 0 ? { change: { retryWork }, steps: [] } : undefined;
}

/** Stopping begins with a cancel request, a final failure of a platform, or the deadline; it ends when all work has. */
function decideStop(record: BuildRecord, now: Date): Decision | undefined {
  const { build, work } = record;
  if (build.state !== 'canceling') {
    const why = whyStop(record, now);
    if (!why) return undefined;
    return {
      change: { state: 'canceling', ...(why.failure && { failure: why.failure }) },
      steps: [],
    };
  }
  const waiting = work.filter((item) => item.state === 'pending');
  if (waiting.length > 0) return { change: { cancelWork: waiting.map(keyOf) }, steps: [] };
  if (work.some((item) => item.state === 'running')) return undefined;
  return { change: { state: stoppedState(build) }, steps: [] };
}

function stoppedState({ failure, cancelRequest }: BuildRecord['build']): BuildState {
  if (failure) return 'failed';
  return cancelRequest?.superseded ? 'superseded' : 'canceled';
}

function whyStop({ build, work }: BuildRecord, now: Date): { failure?: Failure } | undefined {
  // Past this point tags may have moved: the build can only go on to its end.
  if (build.state !== 'queued' && build.state !== 'building') return undefined;
  const failed = work.find((item) => item.state === 'failed' && !mayTryAgain(item));
  if (failed?.failure) return { failure: failed.failure };
  if (build.cancelRequest) return {};
  if (now >= build.deadlineAt) return { failure: failureOf('DeadlineExceeded') };
  return undefined;
}

function decideNextState(record: RecordToDecide): Decision | undefined {
  switch (record.build.state) {
    case 'queued':
      return leaveQueued(record);
    case 'building':
      return leaveBuilding(record);
    case 'publishing':
      return leavePublishing(record);
    case 'releasing':
      return leaveReleasing(record);
    case 'canceling':
    case 'succeeded':
    case 'failed':
    case 'canceled':
    case 'superseded':
      return undefined;
  }
}

function leaveQueued(record: RecordToDecide): Decision | undefined {
  if (record.work.length === 0) {
    const kinds: ('preflight' | 'publication-preflight')[] = ['preflight'];
    if (record.unprovenTags?.length) kinds.push('publication-preflight');
    return { change: { addWork: kinds.map((kind) => ({ kind, name: kind })) }, steps: [] };
  }
  if (!allSucceeded(record.work)) return undefined;
  const addWork = record.build.plan.images.flatMap((image) =>
    image.platforms.map((platform) => ({
      kind: 'platform' as const,
      name: platformWorkName(image.name, platform),
      image: image.name,
      platform,
    })),
  );
  return { change: { state: 'building', addWork }, steps: [] };
}

function leaveBuilding(record: BuildRecord): Decision | undefined {
  if (!allSucceeded(workOf(record, 'platform'))) return undefined;
  const addWork = record.build.plan.images.map((image) => ({
    kind: 'publication' as const,
    name: image.name,
    image: image.name,
  }));
  return { change: { state: 'publishing', addWork }, steps: [] };
}

function leavePublishing(record: BuildRecord): Decision | undefined {
  const publications = workOf(record, 'publication');
  const lost = finalFailure(publications);
  if (lost) return lost;
  if (!allSucceeded(publications)) return undefined;
  const addWork = record.build.plan.hook ? [{ kind: 'delivery' as const, name: 'webhook' }] : [];
  return { change: { state: 'releasing', release: true, addWork }, steps: [] };
}

function leaveReleasing(record: BuildRecord): Decision | undefined {
  const deliveries = workOf(record, 'delivery');
  return (
    finalFailure(deliveries) ??
    (allSucceeded(deliveries) ? { change: { state: 'succeeded' }, steps: [] } : undefined)
  );
}

/** The build fails once all its work has ended and some of it for good: nothing may still be at work when it ends. */
function finalFailure(works: readonly Work[]): Decision | undefined {
  const failed = works.find((work) => work.state === 'failed' && !mayTryAgain(work));
  const atWork = works.some((work) => work.state === 'pending' || work.state === 'running');
  if (!failed?.failure || atWork) return undefined;
  return { change: { state: 'failed', failure: failed.failure }, steps: [] };
}

function dueSteps({ build, work }: BuildRecord, now: Date): Step[] {
  return work
    .filter((item) => isDue(item, now) && dependenciesBuilt(item, { build, work }))
    .map((item) => ({ ...keyOf(item), attempt: item.attempt }));
}

function isDue(work: Work, now: Date): boolean {
  if (work.state === 'pending') return work.notBefore === null || work.notBefore <= now;
  return work.state === 'running' && (work.leaseUntil === null || work.leaseUntil <= now);
}

function dependenciesBuilt(
  item: Work,
  { build, work }: Pick<BuildRecord, 'build' | 'work'>,
): boolean {
  if (item.kind !== 'platform') return true;
  const image = build.plan.images.find(({ name }) => name === item.image);
  return (image?.dependsOn ?? []).every((needed) =>
    work
      .filter((other) => other.kind === 'platform' && other.image === needed)
      .filter((other) => other.kind === 'platform' && other.platform === item.platform)
      .every((other) => other.state === 'succeeded'),
  );
}

/**
 * The next moment at which time alone changes the answer: a retry is due, a lease is over, or the deadline. What is due
 * already has been handed out; to ask for it again at once would be to ask without end.
 */
function nextMoment({ build, work }: BuildRecord, now: Date): Date {
  const moments = work.flatMap((item) => {
    if (item.state === 'pending' && item.notBefore) return [item.notBefore.getTime()];
    if (item.state === 'running' && item.leaseUntil) return [item.leaseUntil.getTime()];
    return [];
  });
  const stoppable = build.state === 'queued' || build.state === 'building';
  if (stoppable) moments.push(build.deadlineAt.getTime());
  const ahead = moments.filter((moment) => moment > now.getTime());
  return new Date(Math.min(...ahead, Number.MAX_SAFE_INTEGER / 2));
}

function isStopping({ build }: Pick<BuildRecord, 'build' | 'work'>): boolean {
  const stoppable = build.state === 'queued' || build.state === 'building';
  return build.state === 'canceling' || (stoppable && build.cancelRequest !== null);
}

function mayTryAgain(work: Work): boolean {
  const { failure, pastFailures, attempt, kind } = work;
  return failure !== null && isRetried(failure, pastFailures) && attempt < maxAttempts[kind];
}

function allSucceeded(works: readonly Work[]): boolean {
  return works.every((work) => work.state === 'succeeded');
}

function keyOf({ buildId, kind, name }: WorkKey): WorkKey {
  return { buildId, kind, name };
}
