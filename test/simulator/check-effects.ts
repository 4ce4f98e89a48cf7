/** What the product promises of its effects outside, checked at each; a breach is a sentence. */
import { workOf } from '@hephy/core';
import type { Arrival } from './hook.ts';
import type { MemoryBuild } from './memory-build.ts';
import { buildOfDigest, type Observed } from './observed.ts';
import type { TagMove } from './registry.ts';

/** A tag names all platforms of the plan, each built and verified, and never goes back to an older build. */
export function checkMove(move: TagMove, observed: Observed): void {
  const { world } = observed;
  const name = `${move.repository}:${move.tag}`;
  const stored = buildOfDigest(move.digest, observed);
  if (!stored) return world.violate(`${name} names ${move.digest}, which no build made`);
  checkWhole(move, stored, observed);
  const { build } = stored.record;
  // A request that its sender gave up may land when the build has failed for it.
  const gaveUp = workOf(stored.record, 'publication').some(({ state }) => state === 'failed');
  const before = movesOf(move, observed).slice(0, -1);
  const changesNothing = before.at(-1)?.digest === move.digest;
  if (build.state !== 'publishing' && !gaveUp && !changesNothing) {
    world.violate(`${name} moved while build ${build.number} was ${build.state}`);
  }
  const newer = before.some(
    ({ digest }) => (buildOfDigest(digest, observed)?.record.build.number ?? 0) > build.number,
  );
  if (newer) world.violate(`${name} moved backwards, to build ${build.number}`);
}

function checkWhole(move: TagMove, { record }: MemoryBuild, { world, registry }: Observed): void {
  const name = `${move.repository}:${move.tag}`;
  const image = record.build.plan.images.find(({ repository }) => repository === move.repository);
  const children = registry.indexes.get(move.digest) ?? [move.digest];
  const found = children.map((digest) => registry.images.get(digest)?.platform);
  if (found.join() !== image?.platforms.join()) {
    world.violate(`${name} is partial: it names ${found.join()}, not ${image?.platforms.join()}`);
  }
  for (const work of workOf(record, 'platform').filter((item) => item.image === image?.name)) {
    if (work.result?.exitCode !== 0 || !children.includes(work.result.digest)) {
      world.violate(`${name} names a child of ${work.name} that has no recorded exit code 0`);
    }
  }
}

function movesOf({ repository, tag }: TagMove, { registry }: Observed): TagMove[] {
  return registry.moves.filter((move) => move.repository === repository && move.tag === tag);
}

/** A release is told after its tags have moved, and under one id. */
export function checkArrival(arrival: Arrival, { world, builds, registry }: Observed): void {
  const stored = builds.get(arrival.buildId);
  if (!stored?.record.release) {
    return world.violate(`the hook was told of ${arrival.buildId}, unreleased`);
  }
  const [delivery] = workOf(stored.record, 'delivery');
  if (delivery?.deliveryId !== arrival.deliveryId) {
    world.violate(`the hook was told of ${arrival.buildId} under a second id`);
  }
  for (const missing of unmovedTags(stored, registry.moves)) {
    world.violate(`the hook was told of ${arrival.buildId} before ${missing} moved`);
  }
}

/** Tags that the record calls moved, and that the registry never saw move. */
export function unmovedTags({ record }: MemoryBuild, moves: readonly TagMove[]): string[] {
  return workOf(record, 'publication').flatMap(({ image, result }) => {
    const planned = record.build.plan.images.find(({ name }) => name === image);
    return (result?.tags ?? [])
      .filter(
        ({ tag, moved }) =>
          moved &&
          !moves.some(
            (move) =>
              move.repository === planned?.repository &&
              move.tag === tag &&
              move.digest === result?.digest,
          ),
      )
      .map(({ tag }) => `${image}:${tag}`);
  });
}
