import { describe, expect, it } from 'vitest';
import { simulate, type Run } from './simulate.ts';

const { HEPHY_SIM_SEED: one, HEPHY_SIM_SEEDS: range } = process.env;

/** Scenarios that are on their way side by side: they share nothing but the event loop. */
const lanes = 16;

async function runAll(seeds: readonly number[], options: { traced: boolean }): Promise<Run[]> {
  const runs: Run[] = [];
  const waiting = seeds.values();
  const lane = async (): Promise<void> => {
    for (const seed of waiting) runs.push(await simulate(seed, options));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return runs;
}

/** `0..9999`, both ends included. */
function seedsOf(text: string): number[] {
  const [from = NaN, to = from] = text.split('..').map(Number);
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) {
    throw new Error(`"${text}" are no seeds; write them as 10000..19999`);
  }
  return Array.from({ length: to - from + 1 }, (_, place) => from + place);
}

function describeBreach({ seed, violations }: Run): string {
  return [
    `seed ${seed}:`,
    ...violations.slice(0, 5).map((violation) => `  ${violation}`),
    `  replay it with: HEPHY_SIM_SEED=${seed} npx vitest run test/simulator/simulator.test.ts`,
  ].join('\n');
}

function tracesOf(runs: readonly Run[]): string[] {
  return runs.toSorted((a, b) => a.seed - b.seed).map(({ trace }) => trace.join('\n'));
}

describe('the simulator', () => {
  it(
    'finds every promise kept, whatever is killed, lost, doubled, late or refused',
    { timeout: 600_000 },
    async () => {
      const runs = await runAll(seedsOf(one ?? range ?? '0..9999'), { traced: one !== undefined });
      for (const { trace } of runs) if (one) process.stdout.write(`${trace.join('\n')}\n`);
      const breaches = runs.filter(({ violations }) => violations.length > 0);
      expect(breaches.slice(0, 5).map(describeBreach).join('\n')).toBe('');
    },
  );

  it('runs a seed the same way again, and another seed otherwise', async () => {
    const first = await runAll(seedsOf('0..19'), { traced: true });
    const again = await runAll(seedsOf('0..19'), { traced: true });
    expect(tracesOf(again)).toEqual(tracesOf(first));
    expect(new Set(tracesOf(first)).size).toBe(20);
  });

  it('reaches every way in which a build can end', async () => {
    const runs = await runAll(seedsOf('0..799'), { traced: false });
    const ends = runs.flatMap((run) => run.ends);
    expect(ends.filter((end) => end === 'succeeded').length).toBeGreaterThan(ends.length / 2);
    expect(new Set(ends)).toEqual(
      new Set([
        ...new Set(ends),
        'canceled',
        'superseded',
        ...reachedReasons.map((reason) => `failed ${reason}`),
      ]),
    );
  });
});

const reachedReasons = [
  'BuildFailed',
  'DeadlineExceeded',
  'DigestMissing',
  'HookRefused',
  'InternalError',
  'PlatformMismatch',
  'PlatformNotNative',
  'RegistryUnavailable',
  'TimeLimitExceeded',
];
