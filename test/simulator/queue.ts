/** The queue and the signals, as bad as they may be: what is said gets lost, doubled, late, out of order, or wiped. */
import type { Step } from '@hephy/core';
import type { Process } from './process.ts';
import type { World } from './world.ts';

export type Message =
  | { readonly topic: 'advance'; readonly buildId: string }
  | { readonly topic: 'step'; readonly step: Step };

export interface SimulatedQueue {
  /** `id` makes one message of many while it waits or is in hand, if this scenario's queue is of that kind. */
  send(message: Message, options: { id: string; delayMs: number }): void;
  /** Whatever is on its way is gone. */
  wipe(): void;
}

/** `deliver` answers whether somebody took the message, and calls `done` when it is out of hand. */
export function makeQueue(
  world: World,
  oneOfEachId: boolean,
  deliver: (message: Message, done: () => void) => boolean,
): SimulatedQueue {
  const { random, scheduler } = world;
  const known = new Set<string>();
  let epoch = 0;

  const carry = (message: Message, { id, delayMs }: { id: string; delayMs: number }): void => {
    const sentIn = epoch;
    const lateMs = world.strikes('late') ? random.between(0, 20_000) : random.between(0.1, 10);
    scheduler.after(delayMs + lateMs, () => {
      if (sentIn !== epoch) return;
      const taken = deliver(message, () => known.delete(id));
      if (!taken) carry(message, { id, delayMs: 1_000 });
    });
  };

  return {
    send(message, options) {
      if (world.strikes('loss')) return world.trace('queue', () => `loses ${options.id}`);
      if (oneOfEachId && known.has(options.id)) return;
      known.add(options.id);
      carry(message, options);
      if (world.strikes('double')) carry(message, options);
    },
    wipe() {
      epoch += 1;
      known.clear();
      world.trace('queue', () => 'is wiped');
    },
  };
}

export interface SimulatedSignals {
  notify(buildId: string): void;
  subscribe(buildId: string, listener: { process: Process; callback: () => void }): () => void;
}

export function makeSignals(world: World): SimulatedSignals {
  const listeners = new Map<string, Set<{ process: Process; callback: () => void }>>();
  return {
    notify(buildId) {
      for (const listener of listeners.get(buildId) ?? []) {
        if (!listener.process.isAlive() || world.strikes('loss')) continue;
        listener.process.later(world.random.between(0.1, 5), () => {
          if (listeners.get(buildId)?.has(listener)) listener.callback();
        });
      }
    },
    subscribe(buildId, listener) {
      const all = listeners.get(buildId) ?? new Set();
      listeners.set(buildId, all.add(listener));
      return () => void all.delete(listener);
    },
  };
}
