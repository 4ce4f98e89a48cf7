import { isTerminal } from '@hephy/core';
import type { ReleaseRegistry } from '../../apps/publisher/src/release-registry.ts';
import { makeBuilders, type Builders } from './builders.ts';
import { checkArrival, checkMove } from './check-effects.ts';
import { checkEnd } from './check-end.ts';
import { startCluster, type Cluster } from './cluster.ts';
import type { Arrival } from './hook.ts';
import { memoryStore, type DirectRecords, type MemoryStore } from './memory-records.ts';
import type { Observed } from './observed.ts';
import { randomFrom } from './random.ts';
import { startReader, type Reader } from './reader.ts';
import { makeRegistry } from './registry.ts';
import { buildOf, makeScenario, type Scenario, type ScenarioBuild } from './scenario.ts';
import { makeScheduler } from './scheduler.ts';
import { makeWorld, type World } from './world.ts';

/** Parts that a test breaks on purpose, to see that the simulator notices. */
export interface Sabotage {
  readonly records?: (sound: DirectRecords) => Partial<DirectRecords>;
  readonly builders?: (sound: Builders) => Partial<Builders>;
  /** Followers of a build that wait for signals alone. */
  readonly signalsAlone?: true;
  readonly registry?: (sound: ReleaseRegistry) => Partial<ReleaseRegistry>;
}

export interface Run {
  readonly seed: number;
  readonly violations: readonly string[];
  /** How each build ended. */
  readonly ends: readonly string[];
  readonly effects: number;
  readonly trace: readonly string[];
}

/** How long after the faults stop a build may take: all its retries, leases and builders, and some lost messages. */
const patienceMs = 240_000;
/** After the last build has ended: time for whoever stood still to wake up and do harm. */
const settleMs = 50_000;
/** Far more than any scenario takes: above it, something asks in circles. */
const maxEffects = 60_000;

/** Runs the scenario of one seed to its end. The same seed, code and sabotage give the same run. */
export async function simulate(
  seed: number,
  { sabotage = {}, traced = false }: { sabotage?: Sabotage; traced?: boolean } = {},
): Promise<Run> {
  const random = randomFrom(seed);
  const scenario = makeScenario(random);
  const scheduler = makeScheduler();
  const trace: string[] = [];
  const parts = { seed, random, scheduler, faults: scenario.faults };
  const world = makeWorld(parts, traced ? (line) => trace.push(line) : undefined);
  world.trace('scenario', () => JSON.stringify(scenario));

  const store = memoryStore();
  const arrivals: Arrival[] = [];
  const readers: Reader[] = [];
  const registry = makeRegistry((move) => checkMove(move, observed));
  const sound = makeBuilders(world, registry);
  const builders = { ...sound, ...sabotage.builders?.(sound) };
  const { builds } = store;
  const observed: Observed = { world, scenario, builds, registry, builders, arrivals, readers };
  const records = { ...store.records, ...sabotage.records?.(store.records) };
  const cluster = startCluster(
    {
      world,
      records,
      builders,
      registry,
      sabotageRegistry: sabotage.registry,
      othersInLine: scenario.othersInLine,
      onArrival(arrival) {
        arrivals.push(arrival);
        checkArrival(arrival, observed);
      },
    },
    scenario,
  );
  for (const at of scenario.wipesAtMs) scheduler.after(at, () => cluster.queue.wipe());
  const follow = (buildId: string): void => {
    const { signals } = cluster;
    readers.push(startReader(buildId, { world, records, signals }, !sabotage.signalsAlone));
  };
  push(scenario, 0, { world, store, records, cluster, follow });

  const over = watchForEnd(scenario, { world, store, readers });
  const effects = await scheduler.run(over);
  if (effects >= maxEffects) world.violate(`${effects} effects and no end`);
  checkEnd(observed);
  const ends = [...builds.values()].map(({ record: { build } }) =>
    build.failure ? `${build.state} ${build.failure.reason}` : build.state,
  );
  return { seed, violations: world.violations, ends, effects, trace };
}

function watchForEnd(
  scenario: Scenario,
  { world, store, readers }: { world: World; store: MemoryStore; readers: readonly Reader[] },
): () => boolean {
  const { scheduler } = world;
  let ran = 0;
  let endedAt = Infinity;
  return () => {
    ran += 1;
    const now = scheduler.now();
    if (ran % 16 === 0 && endedAt === Infinity) {
      const ended =
        [...store.builds.values()].every(({ record }) => isTerminal(record.build.state)) &&
        readers.every((reader) => reader.isDone());
      if (ended && store.builds.size === scenario.builds.length) endedAt = now;
    }
    const tired = now > scenario.faults.calmAtMs + patienceMs * scenario.builds.length;
    return tired || ran > maxEffects || now > endedAt + settleMs;
  };
}

interface Receiver {
  readonly world: World;
  readonly store: MemoryStore;
  readonly records: DirectRecords;
  readonly cluster: Cluster;
  readonly follow: (buildId: string) => void;
}

/** The receiver and its users: pushes come one after the other, and some are canceled. */
function push(scenario: Scenario, place: number, receiver: Receiver): void {
  const { world, store, cluster } = receiver;
  const wanted = scenario.builds[place];
  if (!wanted) return;
  const accept = (): void => {
    const busy = [...store.builds.values()].some(({ record }) => !isTerminal(record.build.state));
    if (busy && scenario.oneBuildAtATime) return world.scheduler.after(1_000, accept);
    const build = buildOf(wanted, world.date());
    store.addBuild(build);
    world.trace('receiver', () => `accepts build ${build.number}`);
    cluster.queue.send(
      { topic: 'advance', buildId: build.id },
      { id: `${build.id} v0`, delayMs: 0 },
    );
    if (build.number === 1) receiver.follow(build.id);
    // One that has a successor gives way to it; the last one is canceled.
    const superseded = place + 1 < scenario.builds.length;
    cancelLater(wanted, { buildId: build.id, superseded }, receiver);
    push(scenario, place + 1, receiver);
  };
  world.scheduler.after(wanted.afterMs, accept);
}

function cancelLater(
  { cancelAfterMs }: ScenarioBuild,
  { buildId, superseded }: { buildId: string; superseded: boolean },
  { world, records, cluster }: Receiver,
): void {
  if (cancelAfterMs === undefined) return;
  world.scheduler.after(cancelAfterMs, () => {
    const wish = { buildId, by: 'anna', reason: 'no', superseded, at: world.date() };
    const answer = records.requestCancel(wish);
    world.trace('receiver', () => `cancels ${buildId}: ${JSON.stringify(answer)}`);
    if (!answer.ok) return;
    cluster.signals.notify(buildId);
    const message = { topic: 'advance' as const, buildId };
    cluster.queue.send(message, { id: `${buildId} v${answer.version}`, delayMs: 0 });
  });
}
