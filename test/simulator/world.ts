/** What all actors of one scenario share: time, chance, the rates of faults, and where a breach of a promise is noted. */
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** The chance of each fault, at each effect where it can happen. From `calmAtMs` on none strikes but a little loss. */
export interface FaultRates {
  /** A process dies before or after an effect. */
  readonly kill: number;
  /** A process leaves by itself: it is told, and has some seconds. */
  readonly leave: number;
  /** A process stands still, for up to 40 s: its machine sleeps, or swaps. */
  readonly pause: number;
  /** A call to the record fails, before or after it was done. */
  readonly record: number;
  /** A message or a signal is lost. */
  readonly loss: number;
  readonly double: number;
  /** A message comes late, by up to 20 s. */
  readonly late: number;
  readonly registry: number;
  readonly hook: number;
  readonly driver: number;
  /** A builder ends in another way than with an image of its platform. */
  readonly builder: number;
  readonly calmAtMs: number;
}

export interface World {
  readonly seed: number;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly faults: FaultRates;
  /** The scenario's calendar time. */
  readonly date: () => Date;
  /** Whether a fault of this chance strikes now. */
  readonly strikes: (kind: Exclude<keyof FaultRates, 'calmAtMs'>) => boolean;
  readonly newId: () => string;
  readonly trace: (who: string, line: () => string) => void;
  /** A promise was broken. */
  readonly violate: (what: string) => void;
  readonly violations: readonly string[];
}

/** A queue may always lose something. */
const calmLoss = 0.05;

const startsAt = Date.UTC(2026, 0, 1);

export function makeWorld(
  parts: Pick<World, 'seed' | 'random' | 'scheduler' | 'faults'>,
  writeTrace: ((line: string) => void) | undefined,
): World {
  const { random, scheduler, faults } = parts;
  const violations: string[] = [];
  let ids = 0;
  const trace: World['trace'] = (who, line) => {
    writeTrace?.(`${(scheduler.now() / 1000).toFixed(3).padStart(8)} ${who.padEnd(12)} ${line()}`);
  };
  return {
    ...parts,
    violations,
    date: () => new Date(startsAt + Math.floor(scheduler.now())),
    strikes(kind) {
      if (scheduler.now() < faults.calmAtMs) return random.chance(faults[kind]);
      return kind === 'loss' && random.chance(Math.min(faults.loss, calmLoss));
    },
    newId() {
      ids += 1;
      return `id${ids}`;
    },
    trace,
    violate(what) {
      violations.push(what);
      trace('VIOLATION', () => what);
    },
  };
}

/** The scenario's time of a date, for what lands at the latest then. */
export function millisecondsOf(date: Date): number {
  return date.getTime() - startsAt;
}
