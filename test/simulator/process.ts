/**
 * A process of ours, as the outside sees it: a sequence of effects. Each effect is a request that travels, lands, and
 * is answered; before it leaves and after it has landed the process may die. What a dead process waited for never comes,
 * its timers go, its leases stay, and a request that had left still lands.
 */
import type { World } from './world.ts';

/** How long a process may stand still. */
export const longestPauseMs = 40_000;

/** A fault that the simulator made: code that passes it on has done nothing wrong. */
export class InjectedFault extends Error {}

export interface Process {
  readonly name: string;
  readonly shutdown: AbortController;
  isAlive(): boolean;
  /** Whether it may be given messages. */
  takesWork(): boolean;
  kill(why: string): void;
  call<T>(request: Request<T>): Promise<T>;
  /** Runs the callback in this process after a time; not when it is dead, later when it stands still. */
  later(delayMs: number, run: () => void): void;
  repeat(everyMs: number, run: () => void): () => void;
  /** Rejects with the signal's reason when that aborts first. */
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
}

export interface Request<T> {
  readonly verb: string;
  readonly input: unknown;
  /** Done when the request lands. */
  readonly land: () => T;
  /** The kind of fault that may strike it. */
  readonly fault: 'record' | 'driver' | 'none';
  /** The longest way there, in milliseconds. */
  readonly slowest: number;
}

export function startProcess(name: string, world: World, onDeath: () => void): Process {
  const { scheduler, random } = world;
  const shutdown = new AbortController();
  let alive = true;
  let standsUntil = 0;

  const later = (delayMs: number, run: () => void): void =>
    scheduler.after(delayMs, () => {
      if (!alive) return;
      if (standsUntil > scheduler.now()) {
        return later(standsUntil - scheduler.now() + random.next(), run);
      }
      run();
    });

  const kill = (why: string): void => {
    if (!alive) return;
    alive = false;
    world.trace(name, () => `dies: ${why}`);
    onDeath();
  };

  const mischief = (when: string): void => {
    if (!alive) return;
    if (world.strikes('kill')) kill(when);
    else if (world.strikes('pause'))
      standsUntil = scheduler.now() + random.between(500, longestPauseMs);
    else if (!shutdown.signal.aborted && world.strikes('leave')) {
      world.trace(name, () => 'is told to leave');
      later(random.between(500, 10_000), () => kill('left'));
      shutdown.abort();
    }
  };

  const call = <T>({ verb, input, land, fault, slowest }: Request<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      mischief(`before ${verb}`);
      if (!alive) return;
      const struck = fault !== 'none' && world.strikes(fault);
      const lost = struck && random.chance(0.5);
      const back = (settle: () => void): void => later(random.between(0.1, slowest / 4), settle);
      const fail = (): void => reject(new InjectedFault(`${verb}: connection lost`));
      scheduler.after(wayThere(slowest), () => {
        if (struck && !lost) {
          world.trace(name, () => `${verb} does not get through`);
          return back(fail);
        }
        try {
          const answer = land();
          world.trace(name, () => `${verb} ${show(input)} -> ${show(answer)}`);
          mischief(`after ${verb}`);
          back(lost ? fail : () => resolve(answer));
        } catch (error) {
          back(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
      });
    });

  /** Mostly a tenth of the slowest, now and then all of it. */
  const wayThere = (slowest: number): number =>
    random.between(0.1, random.chance(0.05) ? slowest : slowest / 10);

  const repeat = (everyMs: number, run: () => void): (() => void) => {
    let wanted = true;
    const next = (): void =>
      later(everyMs, () => {
        if (!wanted) return;
        run();
        next();
      });
    next();
    return () => {
      wanted = false;
    };
  };

  return {
    name,
    shutdown,
    isAlive: () => alive,
    takesWork: () => alive && !shutdown.signal.aborted,
    kill,
    call,
    later,
    repeat,
    wait: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason);
        if (signal.aborted) return onAbort();
        signal.addEventListener('abort', onAbort, { once: true });
        later(delayMs, () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        });
      }),
  };
}

/** The sender gives up when the signal aborts; what it has sent may land all the same. */
export function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function show(value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) =>
    key === 'plan' || key === 'signal' || typeof item === 'function' ? undefined : item,
  )?.slice(0, 400);
}
