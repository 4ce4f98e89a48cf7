import { failureOf } from '@hephy/core';
import type { DeliveryResult, ReleaseHook } from '@hephy/release';
import { unlessAborted, type Process } from './process.ts';
import type { World } from './world.ts';

/** What the receiver of a release hook has seen. */
export interface Arrival {
  readonly deliveryId: string;
  readonly buildId: string;
  readonly version: number;
}

/** How one publisher reaches the hook: it may refuse, be down, or take the delivery and fail to say so. */
export function hookPort(
  process: Process,
  world: World,
  onArrival: (arrival: Arrival) => void,
): ReleaseHook {
  return {
    deliver({ deliveryId, body: { data }, signal }) {
      const fate = world.strikes('hook')
        ? world.random.pick(['down', 'down', 'unheard', 'unheard', 'refuses'])
        : 'up';
      const answer = process.call<DeliveryResult>({
        verb: 'deliver',
        input: deliveryId,
        fault: 'none',
        slowest: 3_000,
        land() {
          if (fate === 'refuses') return { ok: false, failure: failureOf('HookRefused') };
          if (fate !== 'down') {
            onArrival({ deliveryId, buildId: data.build.id, version: data.version });
          }
          return fate === 'up'
            ? { ok: true, status: 200 }
            : { ok: false, failure: failureOf('HookFailed') };
        },
      });
      return unlessAborted(answer, signal);
    },
  };
}
