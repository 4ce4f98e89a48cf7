/**
 * The machine where builders run: they outlive the workers that start them, and are found again by name. Each one writes
 * its lines, pushes its image and ends; or fails, vanishes, hangs, or lies.
 */
import { failureOf } from '@hephy/core';
import type { BuilderResult, BuilderSpec, LogChunk } from '@hephy/drivers';
import type { SimulatedRegistry } from './registry.ts';
import type { World } from './world.ts';

export interface Builder {
  readonly spec: BuilderSpec;
  /** What it has written so far. */
  log: string;
  result: BuilderResult | undefined;
  readonly watchers: Set<() => void>;
}

export interface Builders {
  /** How often each name was started: once, whoever asked how often. */
  readonly starts: ReadonlyMap<string, number>;
  /** All that each name wrote, and how it ended; kept after the clean-up. */
  readonly ended: ReadonlyMap<string, Builder>;
  find(name: string): Builder | undefined;
  startOrAdopt(spec: BuilderSpec): { adopted: boolean };
  cancel(name: string): void;
  cleanUp(name: string): void;
  names(): string[];
}

type Course = 'image' | 'exit' | 'lost' | 'hang' | 'other platform' | 'no image';

export function makeBuilders(world: World, registry: SimulatedRegistry): Builders {
  const builders = new Map<string, Builder>();
  const starts = new Map<string, number>();
  const endedBuilders = new Map<string, Builder>();

  const tellWatchers = ({ watchers }: Builder): void => {
    for (const look of watchers) look();
  };

  const end = (builder: Builder, result: BuilderResult): void => {
    if (builder.result) return;
    builder.result = result;
    endedBuilders.set(builder.spec.name, builder);
    world.trace('builder', () => `${builder.spec.name} ends: ${JSON.stringify(result)}`);
    tellWatchers(builder);
  };

  const start = (spec: BuilderSpec): void => {
    starts.set(spec.name, (starts.get(spec.name) ?? 0) + 1);
    if (starts.get(spec.name) === 2) world.violate(`${spec.name} was started twice`);
    const builder: Builder = { spec, log: '', result: undefined, watchers: new Set() };
    builders.set(spec.name, builder);
    const { random, scheduler } = world;
    const course: Course = world.strikes('builder')
      ? random.pick(['exit', 'lost', 'lost', 'hang', 'other platform', 'no image'])
      : 'image';
    const tookMs = random.between(100, random.chance(0.1) ? 25_000 : 5_000);
    for (let line = 0; line < random.whole(0, 4); line += 1) {
      scheduler.after(random.between(0, tookMs), () => {
        if (builder.result) return;
        builder.log += `${spec.name} line ${builder.log.length}\n`;
        tellWatchers(builder);
      });
    }
    if (course !== 'hang') {
      scheduler.after(tookMs, () => end(builder, resultOf(course, { spec, registry })));
    }
    scheduler.after(spec.timeLimitMs, () =>
      end(builder, { ok: false, failure: failureOf('TimeLimitExceeded') }),
    );
  };

  const cancel = (name: string): void => {
    const builder = builders.get(name);
    if (builder) end(builder, { ok: false, failure: failureOf('BuilderLost') });
  };

  return {
    starts,
    ended: endedBuilders,
    find: (name) => builders.get(name),
    startOrAdopt(spec) {
      if (builders.has(spec.name)) return { adopted: true };
      start(spec);
      return { adopted: false };
    },
    cancel,
    cleanUp(name) {
      cancel(name);
      builders.delete(name);
    },
    names: () => [...builders.keys()],
  };
}

function resultOf(
  course: Course,
  { spec, registry }: { spec: BuilderSpec; registry: SimulatedRegistry },
): BuilderResult {
  const digest = `sha256:${spec.name}`;
  switch (course) {
    case 'exit':
      return { ok: false, failure: failureOf('BuildFailed', { exitCode: 1 }) };
    case 'lost':
    case 'hang':
      return { ok: false, failure: failureOf('BuilderLost') };
    case 'other platform':
      registry.pushImage(digest, { buildId: spec.buildId, platform: 'linux/s390x' });
      return { ok: true, exitCode: 0, digest };
    case 'no image':
      return { ok: true, exitCode: 0, digest };
    case 'image':
      registry.pushImage(digest, { buildId: spec.buildId, platform: spec.platform });
      return { ok: true, exitCode: 0, digest };
  }
}

/** The lines after an offset: all there are, or only the first. */
export function readLog(
  { log }: Builder,
  fromOffset: number,
  onlyFirst: boolean,
): LogChunk | undefined {
  if (log.length <= fromOffset) return undefined;
  const toOffset = onlyFirst ? log.indexOf('\n', fromOffset) + 1 : log.length;
  return { fromOffset, toOffset, text: log.slice(fromOffset, toOffset) };
}
