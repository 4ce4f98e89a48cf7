import { describe, expect, it } from 'vitest';
import { sabotages } from './sabotages.ts';
import { simulate } from './simulate.ts';

/** What a test run looks at; the rarest mistake shows within a few hundred. */
const mostSeeds = 10_000;

describe('the simulator notices', () => {
  it.each(Object.entries(sabotages))('%s', { timeout: 600_000 }, async (_, sabotage) => {
    const { noticedAs } = sabotage;
    let noticed: string | undefined;
    for (let seed = 0; seed < mostSeeds && noticed === undefined; seed += 1) {
      const { violations } = await simulate(seed, { sabotage });
      noticed = violations.find((violation) => noticedAs.test(violation));
    }
    expect(noticed).toMatch(noticedAs);
  });
});
