/** One build in memory and the writes to it: plain values, replaced and never changed, so that a reader keeps its moment. */
import {
  eventsOf,
  isTerminal,
  type Build,
  type BuildChange,
  type BuildEvent,
  type BuildRecord,
  type NewWork,
  type OutputEntry,
  type Work,
  type WorkKey,
  type WorkOutcome,
} from '@hephy/core';

export interface MemoryBuild {
  record: BuildRecord;
  askAgainAt: Date;
  /** Who holds each piece of work, and where its stored log ends; by `workId`. */
  readonly holds: Map<string, { owner: string; logOffset: number }>;
  readonly output: OutputEntry[];
}

export function workId({ kind, name }: Pick<WorkKey, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

export function isSame(work: Work, key: Pick<WorkKey, 'kind' | 'name'>): boolean {
  return work.kind === key.kind && work.name === key.name;
}

/** Whether who works for this build has to end. */
export function isStopping({ build }: BuildRecord): boolean {
  return build.cancelRequest !== null || build.state === 'canceling' || isTerminal(build.state);
}

/** Every write raises the version. */
export function writeBuild(stored: MemoryBuild, changed: Partial<Build> = {}): void {
  const { build } = stored.record;
  stored.record = { ...stored.record, build: { ...build, ...changed, version: build.version + 1 } };
}

/** It is looked at then, if not before. */
export function lookBy(stored: MemoryBuild, at: Date): void {
  if (stored.askAgainAt > at) stored.askAgainAt = at;
}

/** What work may become. `Work` is a union: its kind and result are set by who knows the kind. */
export type WorkChange = Partial<Omit<Work, 'kind' | 'result'>> & {
  readonly result?: Record<string, unknown> | null;
};

export function writeWork(
  stored: MemoryBuild,
  key: Pick<WorkKey, 'kind' | 'name'>,
  change: WorkChange,
): void {
  const work = stored.record.work.map((item) =>
    isSame(item, key) ? ({ ...item, ...change } as Work) : item,
  );
  stored.record = { ...stored.record, work };
}

export function appendEvents(stored: MemoryBuild, events: readonly BuildEvent[], at: Date): void {
  for (const event of events) {
    stored.output.push({ seq: stored.output.length + 1, at, kind: 'event', event });
  }
}

/** Does all of a change; the caller has compared the version. `releaseVersion` is for a release that is new. */
export function writeChange(
  stored: MemoryBuild,
  input: { change: BuildChange; at: Date; newId: () => string; releaseVersion: number | undefined },
): void {
  const { change, at, newId, releaseVersion } = input;
  const { build, work } = stored.record;
  appendEvents(stored, eventsOf(change, { appName: build.appName, work, releaseVersion }), at);
  const added = (change.addWork ?? []).map((item) => newWork(build.id, item, newId));
  stored.record = {
    ...stored.record,
    work: [...work, ...added],
    release:
      releaseVersion === undefined
        ? stored.record.release
        : { buildId: build.id, version: releaseVersion, createdAt: at },
  };
  for (const { key, notBefore } of change.retryWork ?? []) retry(stored, key, notBefore);
  for (const key of change.cancelWork ?? []) {
    const item = stored.record.work.find((candidate) => isSame(candidate, key));
    if (item?.state === 'pending') writeWork(stored, key, { state: 'canceled', finishedAt: at });
  }
  const { state, failure } = change;
  writeBuild(stored, {
    ...(state && { state }),
    ...(failure && { failure }),
    ...(state === 'building' && { startedAt: at }),
    ...(state && isTerminal(state) && { finishedAt: at }),
  });
}

function retry(stored: MemoryBuild, key: WorkKey, notBefore: Date): void {
  const work = stored.record.work.find((item) => isSame(item, key));
  stored.holds.delete(workId(key));
  writeWork(stored, key, {
    state: 'pending',
    attempt: (work?.attempt ?? 0) + 1,
    pastFailures: [...(work?.pastFailures ?? []), ...(work?.failure ? [work.failure] : [])],
    notBefore,
    leaseUntil: null,
    startedAt: null,
    finishedAt: null,
    failure: null,
    result: null,
  });
}

export function finishedWork(outcome: WorkOutcome, at: Date): WorkChange {
  return {
    state: outcome.state,
    finishedAt: at,
    leaseUntil: null,
    ...('result' in outcome && { result: outcome.result }),
    ...(outcome.state === 'failed' && { failure: outcome.failure }),
  };
}

function newWork(buildId: string, added: NewWork, newId: () => string): Work {
  const life = {
    buildId,
    name: added.name,
    state: 'pending' as const,
    attempt: 1,
    notBefore: null,
    leaseUntil: null,
    startedAt: null,
    finishedAt: null,
    failure: null,
    pastFailures: [],
    result: null,
  };
  switch (added.kind) {
    case 'preflight':
    case 'publication-preflight':
      return { ...life, kind: added.kind };
    case 'platform':
      return { ...life, kind: added.kind, image: added.image, platform: added.platform };
    case 'publication':
      return { ...life, kind: added.kind, image: added.image };
    case 'delivery':
      return { ...life, kind: added.kind, deliveryId: newId() };
  }
}
