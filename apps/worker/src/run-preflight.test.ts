import { failureOf, type HoldDeps, type WorkOutcome } from '@hephy/core';
import type { Driver, PreflightResult } from '@hephy/drivers';
import { expect, test } from 'vitest';
import { buildFor } from './preflight/preflight-parts-for-test.ts';
import type { PreflightCheck } from './preflight/preflight-check.ts';
import { runPreflight } from './run-preflight.ts';

const step = { buildId: 'b1', kind: 'preflight', name: 'preflight', attempt: 1 } as const;
const passed = (...warnings: string[]): PreflightResult => ({ ok: true, warnings });
const refused = (detail: string): PreflightResult => ({
  ok: false,
  failure: failureOf('NodesUnavailable', { detail }),
});

/** Answers what is recorded of a preflight, and what the driver was asked. */
async function run(
  answer: PreflightResult,
  checks: readonly PreflightCheck[],
  waitForNodesSeconds?: number,
) {
  let outcome: WorkOutcome | undefined;
  const asked: unknown[] = [];
  const { plan, source } = buildFor({});
  const build = { plan: { ...plan, ...(waitForNodesSeconds && { waitForNodesSeconds }) }, source };
  const hold: HoldDeps = {
    records: {
      claimWork: async () => ({ logOffset: 0, stop: false }),
      renewWork: async () => ({ held: true, stop: false }),
      async finishWork(finished) {
        ({ outcome } = finished);
        return { finished: true, version: 1 };
      },
    },
    queue: { askAdvance: async () => undefined },
    signals: { notify: async () => undefined, subscribe: () => () => undefined },
    now: () => new Date(0),
    newId: () => 'owner',
    leaseMs: 15_000,
    repeat: () => () => undefined,
    shutdown: new AbortController().signal,
    onError: () => undefined,
  };
  const driver: Pick<Driver, 'preflight'> = {
    async preflight(input) {
      asked.push(input);
      return answer;
    },
  };
  const records = {
    ...hold.records,
    readBuild: async () => ({ build: build as never, work: [], release: null }),
  };
  await runPreflight(step, { ...hold, records, driver, checks });
  return { outcome, asked };
}

/** A check that never finds out; and why it was told to end. */
function patient() {
  const ends: string[] = [];
  const check: PreflightCheck = (_, signal) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        ends.push((signal.reason as Error).name);
        resolve(passed('not known in time'));
      });
    });
  return { check, ends };
}

test('what everybody lets pass succeeds, with all warnings in order', async () => {
  const checks = [async () => passed('b'), async () => passed(), async () => passed('c')];
  expect((await run(passed('a'), checks)).outcome).toEqual({
    state: 'succeeded',
    result: { warnings: ['a', 'b', 'c'] },
  });
});

test("of several refusals the driver's is recorded, then that of the first check", async () => {
  const checks = [async () => passed('a'), async () => refused('b'), async () => refused('c')];
  expect((await run(refused('driver'), checks)).outcome).toMatchObject({
    failure: { detail: 'driver' },
  });
  expect((await run(passed(), checks)).outcome).toMatchObject({ failure: { detail: 'b' } });
});

test('what the base images are for is recorded, also of a build that is refused', async () => {
  const basePlatforms = ['linux/amd64'];
  const found: PreflightCheck = async () => ({ ...passed('a'), basePlatforms });
  const lacking: PreflightCheck = async () => ({ ...refused('b'), basePlatforms });
  expect((await run(passed(), [async () => passed(), found])).outcome).toEqual({
    state: 'succeeded',
    result: { warnings: ['a'], basePlatforms },
  });
  expect((await run(passed(), [lacking])).outcome).toMatchObject({
    state: 'failed',
    failure: { detail: 'b' },
    result: { warnings: [], basePlatforms },
  });
});

test("the driver's refusal waits for nobody", async () => {
  const { check, ends } = patient();
  expect((await run(refused('driver'), [check])).outcome).toMatchObject({ state: 'failed' });
  expect(ends).toEqual(['AbortError']);
});

test('a check that takes too long is told to end, and its warning is recorded', async () => {
  const { check, ends } = patient();
  const { outcome } = await run(passed(), [check]);
  expect(outcome).toMatchObject({ result: { warnings: ['not known in time'] } });
  expect(ends).toEqual(['TimeoutError']);
});

const broken: PreflightCheck = () => Promise.reject(new Error('oh'));

test('a check that breaks is a mistake of ours', async () => {
  expect((await run(passed(), [broken])).outcome).toMatchObject({
    failure: { reason: 'InternalError', detail: 'oh' },
  });
});

test('the driver is told for how long the app lets nodes come', async () => {
  expect((await run(passed(), [], 600)).asked).toEqual([
    {
      platforms: ['linux/amd64', 'linux/arm64'],
      requireNativeNodes: true,
      waitForNodesMs: 600_000,
    },
  ]);
});
