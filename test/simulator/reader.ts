/** A pusher's receiver: follows the output of a build with the product's own code, over signals that get lost. */
import { followOutput, type FollowOutputDeps } from '@hephy/core';
import type { DirectRecords } from './memory-records.ts';
import { startProcess } from './process.ts';
import type { SimulatedSignals } from './queue.ts';
import type { World } from './world.ts';

export interface Reader {
  readonly buildId: string;
  readonly seen: readonly number[];
  /** Whether it was told that there is no more; or has died, and its client with it. */
  isDone(): boolean;
}

/** How often a receiver looks without a signal. */
const lookEveryMs = 5_000;

export function startReader(
  buildId: string,
  { world, records, signals }: { world: World; records: DirectRecords; signals: SimulatedSignals },
  looks: boolean,
): Reader {
  const seen: number[] = [];
  let isDone = false;
  const end = (): void => {
    isDone = true;
  };
  const process = startProcess('receiver', world, end);
  const ask = <T>(verb: string, input: unknown, land: () => T): Promise<T> =>
    process.call({ verb, input, land, fault: 'none', slowest: 100 });
  const deps: FollowOutputDeps = {
    records: {
      readBuild: (id) => ask('readBuild', id, () => records.readBuild(id)),
      readOutput: (input) => ask('readOutput', input, () => records.readOutput(input)),
    },
    subscribe(id, callback) {
      const unsubscribe = signals.subscribe(id, { process, callback });
      const stop = looks ? process.repeat(lookEveryMs, callback) : () => {};
      return () => {
        stop();
        unsubscribe();
      };
    },
  };
  const follow = async (): Promise<void> => {
    const signal = new AbortController().signal;
    for await (const { seq } of followOutput({ buildId, afterSeq: 0, signal }, deps)) {
      seen.push(seq);
    }
    end();
  };
  follow().catch((error: unknown) => world.violate(`following failed: ${String(error)}`));
  return { buildId, seen, isDone: () => isDone };
}
