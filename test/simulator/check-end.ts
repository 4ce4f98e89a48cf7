/** What the product promises of each build's end, checked after the last effect; a breach is a sentence. */
import { builderName, reasons, workOf, type BuildEvent, type PlatformBuild } from '@hephy/core';
import { unmovedTags } from './check-effects.ts';
import { sweepEveryMs } from './cluster.ts';
import type { MemoryBuild } from './memory-build.ts';
import { buildOfDigest, type Observed } from './observed.ts';
import { longestPauseMs } from './process.ts';
import type { Reader } from './reader.ts';

export function checkEnd(observed: Observed): void {
  const { world, builds } = observed;
  for (const reader of observed.readers) checkReader(reader, observed);
  checkLeftovers(observed);
  const versions = [...builds.values()].flatMap(({ record }) => record.release?.version ?? []);
  if (new Set(versions).size !== versions.length) world.violate(`releases are ${versions.join()}`);
  for (const stored of builds.values()) {
    const { build } = stored.record;
    for (const breach of breachesOf(stored, observed)) {
      world.violate(`build ${build.number}, ${build.state}: ${breach}`);
    }
    for (const work of workOf(stored.record, 'platform')) checkLog(work, stored, observed);
  }
}

/** Once nothing strikes any more, the sweep has time for two rounds: then no builder is left of builds that have ended. */
function checkLeftovers({ world, scenario, builders }: Observed): void {
  const sweptAtMs = scenario.faults.calmAtMs + longestPauseMs + 2 * sweepEveryMs;
  const swept = world.scheduler.now() > sweptAtMs;
  const left = swept ? builders.names() : [];
  if (left.length > 0) world.violate(`${left.join()} were left behind`);
}

function breachesOf(stored: MemoryBuild, observed: Observed): string[] {
  const { work } = stored.record;
  const open = work.filter(({ state }) => state === 'pending' || state === 'running');
  return [
    ...open.map(({ name, state }) => `left ${name} ${state}`),
    ...releaseBreaches(stored, observed),
    ...retryBreaches(stored),
    ...stateBreaches(stored, observed),
  ];
}

function stateBreaches(stored: MemoryBuild, observed: Observed): string[] {
  const { build } = stored.record;
  switch (build.state) {
    case 'succeeded':
      return successBreaches(stored, observed);
    case 'canceled':
    case 'superseded':
      return [
        ...(build.cancelRequest?.superseded === (build.state === 'superseded')
          ? []
          : ['nobody asked for it']),
        ...(hasMoved(stored, observed) ? ['moved a tag'] : []),
      ];
    case 'failed':
      return failureBreaches(stored, observed);
    case 'queued':
    case 'building':
    case 'publishing':
    case 'releasing':
    case 'canceling':
      return ['never ended'];
  }
}

function successBreaches(stored: MemoryBuild, { scenario, registry }: Observed): string[] {
  const { build, work } = stored.record;
  const tags = workOf(stored.record, 'publication').flatMap(({ result }) => result?.tags ?? []);
  const left = scenario.oneBuildAtATime ? tags.filter(({ moved }) => !moved) : [];
  return [
    ...work.filter(({ state }) => state !== 'succeeded').map(({ name }) => `${name} did not`),
    ...(build.failure ? [`with the failure ${build.failure.reason}`] : []),
    ...left.map(({ tag }) => `left ${tag} alone, with no newer build`),
    ...unmovedTags(stored, registry.moves).map((tag) => `${tag} never moved`),
  ];
}

/** A failure is of a part, or of the deadline; before it publishes, no tag has moved. */
function failureBreaches(stored: MemoryBuild, observed: Observed): string[] {
  const { build, work } = stored.record;
  const { failure } = build;
  if (!failure) return ['for no reason'];
  if (failure.reason === 'DeadlineExceeded') {
    const early = build.finishedAt !== null && build.finishedAt < build.deadlineAt;
    const wanted = observed.scenario.builds.find(({ number }) => number === build.number);
    if (wanted?.isShort && !early) return hasMoved(stored, observed) ? ['moved a tag'] : [];
    return ['stood still until its deadline'];
  }
  const part = work.find((item) => item.failure?.reason === failure.reason);
  if (!part) return [`no part failed with ${failure.reason}`];
  const published = part.kind === 'publication' || part.kind === 'delivery';
  return !published && hasMoved(stored, observed) ? ['moved a tag'] : [];
}

/** One release for what was published, none for the rest; and the hook is told of it. */
function releaseBreaches(stored: MemoryBuild, { arrivals }: Observed): string[] {
  const { build, release, work } = stored.record;
  const created = eventsOf(stored).filter(({ type }) => type === 'release.created').length;
  const publications = work.filter(({ kind }) => kind === 'publication');
  const published =
    publications.length > 0 && publications.every(({ state }) => state === 'succeeded');
  const told = arrivals.some(({ buildId }) => buildId === build.id);
  const mustTell = build.state === 'succeeded' && build.plan.hook;
  return [
    ...(created === (published ? 1 : 0) ? [] : [`made ${created} releases`]),
    ...((release !== null) === published ? [] : ['release and publication disagree']),
    ...(mustTell && !told ? ['the hook was not told'] : []),
    ...(told && !build.plan.hook ? ['the hook was told without a wish for it'] : []),
  ];
}

/** What a user has to mend is never tried again, and never hidden. */
function retryBreaches(stored: MemoryBuild): string[] {
  const { build, work } = stored.record;
  const retried = eventsOf(stored).filter(
    (event) => event.type === 'work.retried' && reasons[event.failure.reason].class === 'user',
  );
  const failed = work.some(({ failure }) => failure?.reason === 'BuildFailed');
  return [
    ...retried.map(() => "a user's failure was tried again"),
    ...(failed && build.state !== 'failed' && !build.cancelRequest ? ['hides BuildFailed'] : []),
  ];
}

/** Who follows a build is told everything once, in order, and the end. */
function checkReader(reader: Reader, { world, builds }: Observed): void {
  const { buildId, seen } = reader;
  const all = builds.get(buildId)?.output.map(({ seq }) => seq) ?? [];
  if (!reader.isDone()) world.violate(`who follows ${buildId} was not told its end`);
  if (seen.some((seq, place) => seq !== all[place])) {
    world.violate(`who follows ${buildId} was told ${seen.join()}`);
  }
}

/** Every line of a builder that was waited for to its end is stored, once and in order. */
function checkLog(work: PlatformBuild, stored: MemoryBuild, observed: Observed): void {
  const wasRead = work.state === 'succeeded' || work.failure?.reason === 'BuildFailed';
  if (!wasRead) return;
  const name = builderName(work, work.attempt);
  const wrote = observed.builders.ended.get(name)?.log ?? '';
  const kept = stored.output
    .flatMap((entry) => (entry.kind === 'log' ? entry.text.split(/(?<=\n)/) : []))
    .filter((line) => line.startsWith(`${name} `))
    .join('');
  if (kept !== wrote) {
    observed.world.violate(`the log of ${name} is not what it wrote: ${wrote}but ${kept}`);
  }
}

function hasMoved({ record }: MemoryBuild, observed: Observed): boolean {
  return observed.registry.moves.some(
    ({ digest }) => buildOfDigest(digest, observed)?.record.build.id === record.build.id,
  );
}

function eventsOf({ output }: MemoryBuild): BuildEvent[] {
  return output.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
}
