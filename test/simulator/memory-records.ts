import {
  eventsOfClaim,
  eventsOfFinish,
  isTerminal,
  type Build,
  type BuildRecords,
  type WorkKey,
} from '@hephy/core';
import {
  appendEvents,
  finishedWork,
  isSame,
  isStopping,
  lookBy,
  workId,
  writeBuild,
  writeChange,
  writeWork,
  type MemoryBuild,
} from './memory-build.ts';

/** The record's verbs, each done at once: whoever calls decides how long the way there and back takes. */
export type DirectRecords = {
  readonly [Verb in keyof BuildRecords]: (
    ...input: Parameters<BuildRecords[Verb]>
  ) => Awaited<ReturnType<BuildRecords[Verb]>>;
};

export interface MemoryStore {
  readonly records: DirectRecords;
  /** All builds that were added, by id. */
  readonly builds: ReadonlyMap<string, MemoryBuild>;
  addBuild(build: Build): void;
}

/** The record in memory. It passes the conformance suite of `@hephy/store`. */
export function memoryStore(): MemoryStore {
  const builds = new Map<string, MemoryBuild>();
  return {
    builds,
    addBuild(build) {
      const record = { build, work: [], release: null };
      builds.set(build.id, {
        record,
        askAgainAt: build.createdAt,
        holds: new Map(),
        output: [],
      });
    },
    records: {
      ...buildVerbs(builds),
      ...workVerbs(builds),
      ...outputVerbs(builds),
      ...tagVerbs(),
    },
  };
}

type Builds = ReadonlyMap<string, MemoryBuild>;

function buildVerbs(
  builds: Builds,
): Pick<
  DirectRecords,
  'readBuild' | 'applyChange' | 'setAskAgainAt' | 'bringForward' | 'listDueBuilds' | 'requestCancel'
> {
  const releases = new Map<string, number>();
  return {
    readBuild: (buildId) => builds.get(buildId)?.record,
    applyChange({ buildId, version, ...input }) {
      const stored = builds.get(buildId);
      if (stored?.record.build.version !== version) return false;
      const { appId } = stored.record.build;
      const isNew = input.change.release && !stored.record.release;
      const releaseVersion = isNew ? (releases.get(appId) ?? 0) + 1 : undefined;
      if (releaseVersion !== undefined) releases.set(appId, releaseVersion);
      writeChange(stored, { ...input, releaseVersion });
      return true;
    },
    setAskAgainAt(buildId, at) {
      const stored = builds.get(buildId);
      if (stored) stored.askAgainAt = at;
    },
    bringForward({ at, limit }) {
      const later = [...builds.values()]
        .filter(({ record, askAgainAt }) => !isTerminal(record.build.state) && askAgainAt > at)
        .toSorted((one, other) => other.askAgainAt.getTime() - one.askAgainAt.getTime());
      for (const stored of later.slice(0, limit)) stored.askAgainAt = at;
    },
    listDueBuilds: ({ now, limit }) =>
      [...builds.values()]
        .filter(({ record, askAgainAt }) => !isTerminal(record.build.state) && askAgainAt <= now)
        .toSorted((one, other) => one.askAgainAt.getTime() - other.askAgainAt.getTime())
        .slice(0, limit)
        .map(({ record: { build } }) => ({ id: build.id, version: build.version })),
    requestCancel({ buildId, by, reason, superseded = false, at }) {
      const stored = builds.get(buildId);
      if (!stored) return { ok: false, why: 'NotFound' };
      const { build } = stored.record;
      if (isTerminal(build.state)) return { ok: false, why: 'Ended' };
      if (build.state === 'publishing' || build.state === 'releasing') {
        return { ok: false, why: 'TooLate' };
      }
      if (!build.cancelRequest && build.state !== 'canceling') {
        appendEvents(stored, [{ type: 'cancel.requested', by, reason }], at);
        writeBuild(stored, { cancelRequest: { at, by, reason, superseded } });
        lookBy(stored, at);
      }
      return { ok: true, version: stored.record.build.version };
    },
  };
}

function workVerbs(
  builds: Builds,
): Pick<DirectRecords, 'claimWork' | 'renewWork' | 'finishWork' | 'appendLog'> {
  const find = (key: WorkKey) => {
    const stored = builds.get(key.buildId);
    const work = stored?.record.work.find((item) => isSame(item, key));
    return stored && work ? { stored, work, hold: stored.holds.get(workId(key)) } : undefined;
  };
  /** The work, if it runs and is `owner`'s. */
  const held = (key: WorkKey, owner: string) => {
    const found = find(key);
    return found?.work.state === 'running' && found.hold?.owner === owner ? found : undefined;
  };
  return {
    claimWork({ key, attempt, lease, at }) {
      const found = find(key);
      if (!found || found.work.attempt !== attempt) return undefined;
      const { stored, work } = found;
      const free =
        work.state === 'pending' ||
        (work.state === 'running' && (work.leaseUntil === null || work.leaseUntil <= at));
      if (!free) return undefined;
      const logOffset = found.hold?.logOffset ?? 0;
      stored.holds.set(workId(key), { owner: lease.owner, logOffset });
      appendEvents(stored, eventsOfClaim(work), at);
      const startedAt = work.startedAt ?? at;
      writeWork(stored, key, { state: 'running', leaseUntil: lease.until, startedAt });
      writeBuild(stored);
      lookBy(stored, lease.until);
      return { logOffset, stop: isStopping(stored.record) };
    },
    renewWork({ key, lease }) {
      const found = held(key, lease.owner);
      if (!found) return { held: false, stop: false };
      writeWork(found.stored, key, { leaseUntil: lease.until });
      return { held: true, stop: isStopping(found.stored.record) };
    },
    finishWork({ key, owner, outcome, at }) {
      const found = held(key, owner);
      const version = builds.get(key.buildId)?.record.build.version ?? 0;
      if (!found) return { finished: false, version };
      const { stored, work } = found;
      const { plan } = stored.record.build;
      appendEvents(stored, eventsOfFinish({ work, plan, outcome, at }), at);
      writeWork(stored, key, finishedWork(outcome, at));
      writeBuild(stored);
      return { finished: true, version: version + 1 };
    },
    appendLog({ key, owner, piece, at }) {
      const found = held(key, owner);
      if (found?.hold?.logOffset !== piece.fromOffset) return false;
      const { image, platform, text, toOffset } = piece;
      const { output } = found.stored;
      output.push({ seq: output.length + 1, at, kind: 'log', image, platform, text });
      found.hold.logOffset = toOffset;
      return true;
    },
  };
}

function outputVerbs(builds: Builds): Pick<DirectRecords, 'appendEvent' | 'readOutput'> {
  return {
    appendEvent({ buildId, event, at }) {
      const stored = builds.get(buildId);
      if (stored) appendEvents(stored, [event], at);
    },
    readOutput: ({ buildId, afterSeq, limit }) =>
      (builds.get(buildId)?.output ?? []).slice(afterSeq, afterSeq + limit),
  };
}

function tagVerbs(): Pick<
  DirectRecords,
  'claimTag' | 'noteTagMove' | 'listUnprovenTags' | 'lockRepository' | 'unlockRepository'
> {
  const claims = new Map<string, number>();
  const known = new Set<string>();
  const proven = new Set<string>();
  const locks = new Map<string, { owner: string; until: Date }>();
  return {
    claimTag({ repository, tag, buildNumber }) {
      const name = `${repository}:${tag}`;
      if ((claims.get(name) ?? 0) > buildNumber) return false;
      claims.set(name, buildNumber);
      known.add(repository);
      return true;
    },
    noteTagMove({ repository, tag, proven: is }) {
      const name = `${repository}:${tag}`;
      if (is && claims.has(name)) proven.add(name);
      if (!is) proven.delete(name);
    },
    listUnprovenTags: (tags) =>
      tags.filter(({ repository, tag }) => {
        const name = `${repository}:${tag}`;
        return claims.has(name) ? !proven.has(name) : !known.has(repository);
      }),
    lockRepository({ repository, lease, at }) {
      const lock = locks.get(repository);
      if (lock && lock.owner !== lease.owner && lock.until > at) return false;
      locks.set(repository, lease);
      return true;
    },
    unlockRepository({ repository, owner }) {
      if (locks.get(repository)?.owner === owner) locks.delete(repository);
    },
  };
}
