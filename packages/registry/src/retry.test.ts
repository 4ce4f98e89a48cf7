import { asyncProperty, assert, double, integer, option } from 'fast-check';
import { expect, test } from 'vitest';
import { RegistryFailure } from './failure.ts';
import { defaultLimits } from './limits.ts';
import { withRetries } from './retry.ts';
import type { RetryDeps } from './retry.ts';

/** A clock that stands still but for the waits, which it notes. */
function clock(random: () => number): RetryDeps & { waits: number[] } {
  let nowMs = 0;
  const waits: number[] = [];
  return {
    waits,
    limits: defaultLimits,
    random,
    hold: { untilMs: 0 },
    now: () => nowMs,
    wait: async (ms) => {
      waits.push(ms);
      nowMs += ms;
    },
  };
}

function unavailable(facts: { temporary: boolean; retryAfterMs?: number }): RegistryFailure {
  return new RegistryFailure('no', {
    reason: 'RegistryUnavailable',
    method: 'GET',
    url: 'http://r.example/',
    ...facts,
  });
}

test('waits grow twofold between the tries, and the last failure is thrown', async () => {
  const deps = clock(() => 0.5);
  const tries = withRetries(() => Promise.reject(unavailable({ temporary: true })), deps);
  await expect(tries).rejects.toBeInstanceOf(RegistryFailure);
  expect(deps.waits).toEqual([150, 300, 600, 1200]);
});

test('what is not temporary is tried once', async () => {
  const deps = clock(() => 0);
  const tries = withRetries(() => Promise.reject(unavailable({ temporary: false })), deps);
  await expect(tries).rejects.toBeInstanceOf(RegistryFailure);
  expect(deps.waits).toEqual([]);
});

test('no wait is shorter than asked, none begins beyond the longest, none passes the deadline', async () => {
  await assert(
    asyncProperty(
      option(integer({ min: 0, max: 100_000 }), { nil: undefined }),
      double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (retryAfterMs, chance) => {
        const deps = clock(() => chance);
        const failure = unavailable({
          temporary: true,
          ...(retryAfterMs !== undefined && { retryAfterMs }),
        });
        await expect(withRetries(() => Promise.reject(failure), deps)).rejects.toBe(failure);
        expect(deps.now()).toBeLessThanOrEqual(defaultLimits.operationTimeoutMs);
        const isTooLong = (retryAfterMs ?? 0) > defaultLimits.longestWaitMs;
        expect(deps.waits.length === 0).toBe(isTooLong);
        for (const waitMs of deps.waits) {
          expect(waitMs).toBeGreaterThanOrEqual(retryAfterMs ?? 0);
        }
      },
    ),
  );
});

test('one refusal with Retry-After holds back the other requests to that registry', async () => {
  const deps = clock(() => 0);
  const failures = [unavailable({ temporary: true, retryAfterMs: 5000 })];
  // The first caller has been told to wait, and has not come back yet.
  const stuck = { ...deps, wait: () => Promise.reject(new Error('still waiting')) };
  const first = withRetries(async () => {
    const failure = failures.pop();
    if (failure) throw failure;
  }, stuck);
  await expect(first).rejects.toThrow('still waiting');
  await withRetries(async () => undefined, deps);
  expect(deps.waits).toEqual([5000]);
});
