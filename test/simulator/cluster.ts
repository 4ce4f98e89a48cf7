/** Several workers and publishers at once, the product's own code in each; a dead one is followed by a new one. */
import { HandOver, advance, type HoldDeps, type Step } from '@hephy/core';
import { deliverRelease } from '../../apps/publisher/src/deliver-release.ts';
import { publishImage } from '../../apps/publisher/src/publish-image.ts';
import { tryPublication } from '../../apps/publisher/src/try-publication.ts';
import type { ReleaseRegistry } from '../../apps/publisher/src/release-registry.ts';
import { reconcile, reconcileAtStart } from '../../apps/worker/src/reconcile.ts';
import { runPlatformBuild } from '../../apps/worker/src/run-platform-build.ts';
import { runPreflight } from '../../apps/worker/src/run-preflight.ts';
import { sweepBuilders } from '../../apps/worker/src/sweep-builders.ts';
import type { Builders } from './builders.ts';
import { driverPort } from './driver-port.ts';
import { hookPort, type Arrival } from './hook.ts';
import type { DirectRecords } from './memory-records.ts';
import { InjectedFault, startProcess, type Process } from './process.ts';
import type { Message, SimulatedQueue, SimulatedSignals } from './queue.ts';
import { makeQueue, makeSignals } from './queue.ts';
import { recordsPort } from './records-port.ts';
import { registryPort, type SimulatedRegistry } from './registry.ts';
import type { World } from './world.ts';

export const leaseMs = 15_000;
const reconcileEveryMs = 8_000;
export const sweepEveryMs = 25_000;

export type Role = 'worker' | 'publisher';

export interface ClusterParts {
  readonly world: World;
  readonly records: DirectRecords;
  readonly builders: Builders;
  readonly registry: SimulatedRegistry;
  readonly onArrival: (arrival: Arrival) => void;
  /** Steps of other apps' builds, before ours in the line. */
  readonly othersInLine: number;
  readonly sabotageRegistry: ((sound: ReleaseRegistry) => Partial<ReleaseRegistry>) | undefined;
}

export interface Cluster {
  readonly queue: SimulatedQueue;
  readonly signals: SimulatedSignals;
}

interface Member {
  readonly role: Role;
  readonly process: Process;
  readonly handle: (message: Message) => Promise<void>;
  readonly inHand: Set<{ readonly message: Message; readonly done: () => void }>;
}

export function startCluster(
  parts: ClusterParts,
  shape: { workers: number; publishers: number; oneOfEachId: boolean },
): Cluster {
  const { world } = parts;
  const { random, scheduler } = world;
  const members = new Set<Member>();

  const deliver = (message: Message, done: () => void): boolean => {
    const role = roleFor(message);
    const takers = [...members].filter((one) => one.role === role && one.process.takesWork());
    const [first, ...others] = takers;
    if (!first) return false;
    const member = random.pick([first, ...others]);
    const { process, handle, inHand } = member;
    const item = { message, done };
    inHand.add(item);
    world.trace(process.name, () => `takes ${JSON.stringify(message)}`);
    handle(message)
      .catch((error: unknown) => {
        noteError(error, process, world);
        // A queue tries again what was thrown back at it, now and then.
        if (random.chance(0.5)) process.later(1_000, () => void deliver(message, () => {}));
      })
      .finally(() => {
        inHand.delete(item);
        done();
      });
    return true;
  };

  const queue = makeQueue(world, shape.oneOfEachId, deliver);
  const signals = makeSignals(world);

  const start = (role: Role): void => {
    const process = startProcess(`${role}-${world.newId()}`, world, () => {
      members.delete(member);
      // A queue finds out late, or never, that whoever had a message is gone.
      for (const { message, done } of member.inHand) {
        scheduler.after(random.between(0, 30_000), () => {
          if (!random.chance(0.5) || !deliver(message, done)) done();
        });
      }
      scheduler.after(random.between(100, 20_000), () => start(role));
    });
    const member: Member = {
      role,
      process,
      handle: handlerOf(process, { queue, signals }, parts),
      inHand: new Set(),
    };
    members.add(member);
  };

  for (let count = 0; count < shape.workers; count += 1) start('worker');
  for (let count = 0; count < shape.publishers; count += 1) start('publisher');
  return { queue, signals };
}

function roleFor(message: Message): Role {
  if (message.topic === 'advance') return 'worker';
  const { kind } = message.step;
  return kind === 'preflight' || kind === 'platform' ? 'worker' : 'publisher';
}

/** What a process does with a message: its `main.ts`, but for the ports. A worker also reconciles. */
function handlerOf(
  process: Process,
  { queue, signals }: Cluster,
  { world, records, builders, onArrival, othersInLine, ...parts }: ClusterParts,
): Member['handle'] {
  const queuePort = {
    askAdvance: ({
      buildId,
      version,
      delayMs = 0,
    }: Parameters<HoldDeps['queue']['askAdvance']>[0]) =>
      tell('askAdvance', { version, delayMs }, () =>
        queue.send({ topic: 'advance', buildId }, { id: `${buildId} v${version}`, delayMs }),
      ),
    addStep: (step: Step) =>
      tell('addStep', step, () =>
        queue.send({ topic: 'step', step }, { id: idOf(step), delayMs: 0 }),
      ),
    countWaiting: () => tell('countWaiting', {}, () => othersInLine),
  };
  const tell = <T>(verb: string, input: unknown, land: () => T): Promise<T> =>
    process.call({ verb, input, land, fault: 'none', slowest: 50 });
  const onError = (error: unknown): void => noteError(error, process, world);
  const attempt = async (work: () => unknown): Promise<void> => {
    try {
      await work();
    } catch (error) {
      onError(error);
    }
  };
  const deps = {
    records: recordsPort(process, records),
    queue: queuePort,
    signals: {
      notify: (buildId: string) => tell('notify', buildId, () => signals.notify(buildId)),
      subscribe: (buildId: string, callback: () => void) =>
        signals.subscribe(buildId, { process, callback }),
    },
    now: world.date,
    newId: world.newId,
    leaseMs,
    repeat: (everyMs: number, callback: () => unknown) =>
      process.repeat(everyMs, () => void attempt(callback)),
    shutdown: process.shutdown.signal,
    onError,
  } satisfies HoldDeps;
  const driver = driverPort(process, builders, world);
  const sound = registryPort(process, parts.registry, world);
  const registry = { ...sound, ...parts.sabotageRegistry?.(sound) };
  const wait = (delayMs: number, signal: AbortSignal) => process.wait(delayMs, signal);
  const publishing = { ...deps, registry, wait };
  const delivering = {
    ...deps,
    readHook: () => Promise.resolve({ url: 'https://hook.test/', secret: 'whsec_' }),
    hook: hookPort(process, world, onArrival),
  };
  if (process.name.startsWith('worker')) {
    deps.repeat(reconcileEveryMs, () => reconcile(deps));
    void attempt(() => wait(0, deps.shutdown).then(() => reconcileAtStart(deps)));
    deps.repeat(sweepEveryMs, () => sweepBuilders({ ...deps, driver }));
  }
  return (message) => {
    if (message.topic === 'advance') return advance(message.buildId, deps);
    switch (message.step.kind) {
      case 'preflight':
        return runPreflight(message.step, { ...deps, driver, checks: [] });
      case 'platform':
        return runPlatformBuild(message.step, { ...deps, driver, wait });
      case 'publication-preflight':
        return tryPublication(message.step, { ...deps, trial: registry });
      case 'publication':
        return publishImage(message.step, publishing);
      case 'delivery':
        return deliverRelease(message.step, delivering);
    }
  };
}

function idOf({ buildId, kind, name, attempt }: Step): string {
  return `${buildId} ${kind} ${name} ${attempt}`;
}

/** Injected faults and ends may be passed on; any other error is a mistake of the code under test. */
function noteError(error: unknown, process: Process, world: World): void {
  world.trace(process.name, () => `notes ${String(error)}`);
  const isEnd = error === 'lost' || error === 'stop' || error === 'shutdown';
  const isMeant = error instanceof HandOver || error instanceof InjectedFault;
  if (!isEnd && !isMeant) {
    world.violate(
      `${process.name}: unexpected ${error instanceof Error ? error.stack : String(error)}`,
    );
  }
}
