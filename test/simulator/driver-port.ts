import { failureOf } from '@hephy/core';
import type { BuilderResult, Driver, LogChunk } from '@hephy/drivers';
import { readLog, type Builder, type Builders } from './builders.ts';
import { InjectedFault, type Process } from './process.ts';
import type { World } from './world.ts';

/** A request to the machine is there within this, or never: less than what `holdWork` leaves of a lease. */
const slowest = 4_000;

/** How one process reaches the builders. */
export function driverPort(process: Process, builders: Builders, world: World): Driver {
  const ask = <T>(verb: string, input: unknown, land: () => T): Promise<T> =>
    process.call({ verb, input, land, fault: 'driver', slowest });
  const noImage = { ok: false as const, failure: failureOf('BuilderLost') };
  return {
    preflight: (input) =>
      ask('preflight', input, () =>
        world.strikes('driver') && world.random.chance(0.3)
          ? { ok: false, failure: failureOf('PlatformNotNative', { platform: 'linux/arm64' }) }
          : { ok: true, warnings: [] },
      ),
    platforms: () => ask('platforms', undefined, () => []),
    startOrAdopt: (spec) =>
      ask('startOrAdopt', spec.name, () =>
        world.strikes('driver')
          ? { ok: false, failure: failureOf('SourceUnavailable') }
          : { ok: true, ...builders.startOrAdopt(spec) },
      ),
    followLog: (name, options) => followLog({ name, ...options }, { process, builders, world }),
    async result(name, { signal }) {
      const builder = await ask('result', name, () => builders.find(name));
      if (!builder) return noImage;
      return watch<BuilderResult>(builder, () => builder.result, { process, signal });
    },
    cancel: (name) => ask('cancel', name, () => builders.cancel(name)),
    cleanUp: (name) => ask('cleanUp', name, () => builders.cleanUp(name)),
    list: () => ask('list', undefined, () => builders.names()),
  };
}

async function* followLog(
  from: { name: string; fromOffset: number; signal: AbortSignal },
  { process, builders, world }: { process: Process; builders: Builders; world: World },
): AsyncGenerator<LogChunk> {
  const { signal } = from;
  const land = () => builders.find(from.name);
  const builder = await process.call({
    verb: 'followLog',
    input: from.name,
    land,
    fault: 'driver',
    slowest,
  });
  if (!builder) return;
  let offset = from.fromOffset;
  for (;;) {
    const onlyFirst = world.random.chance(0.5);
    const ready = (): LogChunk | 'end' | undefined =>
      readLog(builder, offset, onlyFirst) ?? (builder.result && 'end');
    const chunk = await watch(builder, ready, { process, signal });
    if (chunk === 'end') return;
    if (world.strikes('driver')) throw new InjectedFault('followLog: connection lost');
    yield chunk;
    offset = chunk.toOffset;
  }
}

/** Waits until the builder has come far enough; rejects with the signal's reason when that aborts first. */
function watch<T>(
  builder: Builder,
  ready: () => T | undefined,
  { process, signal }: { process: Process; signal: AbortSignal },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      builder.watchers.delete(look);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      end();
      reject(signal.reason);
    };
    const look = (): void => {
      const answer = ready();
      if (answer === undefined) return;
      builder.watchers.delete(look);
      process.later(1, () => {
        end();
        resolve(answer);
      });
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    builder.watchers.add(look);
    look();
  });
}
