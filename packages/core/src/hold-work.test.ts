import { describe, expect, it } from 'vitest';
import { endedBy, holdWork, type HeldWork, type HoldDeps } from './hold-work.ts';
import { at } from './record-for-test.ts';
import type { WorkOutcome } from './record.ts';

const step = { buildId: 'b1', kind: 'platform', name: 'web linux/amd64', attempt: 1 } as const;
const built: WorkOutcome = { state: 'succeeded', result: { exitCode: 0, digest: 'sha256:1' } };

/** A record with one piece of work that is free, and what happened to it. */
function setUp(records: Partial<HoldDeps['records']> = {}) {
  const leaving = new AbortController();
  const log: unknown[] = [];
  let nowMs = 0;
  /** What runs when a renewal is due. */
  let renew: (() => void) | undefined;
  const deps: HoldDeps = {
    records: {
      claimWork: async () => ({ logOffset: 12, stop: false }),
      async renewWork({ lease }) {
        log.push(['renewed until', lease.until]);
        return { held: true, stop: false };
      },
      async finishWork({ outcome }) {
        log.push(outcome);
        return { finished: true, version: 8 };
      },
      ...records,
    },
    queue: { askAdvance: async ({ version }) => void log.push(['asked', version]) },
    signals: { notify: async () => {}, subscribe: () => () => {} },
    now: () => at(nowMs),
    newId: () => 'owner',
    leaseMs: 15_000,
    repeat(_, callback) {
      renew = () => void callback();
      return () => {};
    },
    shutdown: leaving.signal,
    onError: (error) => log.push(['error', String(error)]),
  };
  return {
    deps,
    log,
    leaving,
    renew: () => renew?.(),
    passTime: (ms: number) => {
      nowMs += ms;
    },
  };
}

/** Runs until it is told to end. */
async function untilEnded({ signal }: HeldWork): Promise<WorkOutcome> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return endedBy(signal) === 'stop' ? { state: 'canceled' } : built;
}

describe('holding work', () => {
  it('records the outcome, and asks for advance', async () => {
    const { deps, log } = setUp();
    let logOffset: number | undefined;
    const recorded = await holdWork(
      step,
      async (held) => {
        ({ logOffset } = held);
        return built;
      },
      deps,
    );
    expect(recorded).toBe(true);
    expect(logOffset).toBe(12);
    expect(log).toEqual([built, ['asked', 8]]);
  });

  it('does nothing when somebody else has the work', async () => {
    const { deps, log } = setUp({ claimWork: async () => undefined });
    expect(await holdWork(step, async () => built, deps)).toBe(false);
    expect(log).toEqual([]);
  });

  it('does not begin when the claim was answered so late that its lease is nearly over', async () => {
    const { deps, log, passTime } = setUp({
      async claimWork() {
        passTime(8_000);
        return { logOffset: 0, stop: false };
      },
    });
    const holding = holdWork(
      step,
      async () => {
        log.push('began');
        return built;
      },
      deps,
    );
    expect(await holding).toBe(false);
    expect(log).toEqual([]);
  });

  it('asks for nothing when the outcome was not taken', async () => {
    const { deps, log } = setUp({ finishWork: async () => ({ finished: false, version: 9 }) });
    expect(await holdWork(step, async () => built, deps)).toBe(false);
    expect(log).toEqual([]);
  });

  it('records a body that throws as an internal error, and reports it', async () => {
    const { deps, log } = setUp();
    await holdWork(step, () => Promise.reject(new Error('out of luck')), deps);
    const failure = { reason: 'InternalError', detail: 'out of luck' };
    expect(log.slice(0, 2)).toEqual([
      ['error', 'Error: out of luck'],
      { state: 'failed', failure },
    ]);
  });

  it('prolongs the lease while the body runs', async () => {
    const { deps, log, renew, passTime } = setUp();
    let leaseUntil: Date | undefined;
    const body = async (held: HeldWork): Promise<WorkOutcome> => {
      passTime(3_000);
      renew();
      await Promise.resolve();
      leaseUntil = held.leaseUntil();
      return built;
    };
    await holdWork(step, body, deps);
    expect(log[0]).toEqual(['renewed until', at(18_000)]);
    expect(leaseUntil).toEqual(at(18_000));
  });

  it('tells the body to stop, and records what it made of that', async () => {
    const { deps, log, renew } = setUp({ renewWork: async () => ({ held: true, stop: true }) });
    const holding = holdWork(step, untilEnded, deps);
    await Promise.resolve();
    renew();
    expect(await holding).toBe(true);
    expect(log[0]).toEqual({ state: 'canceled' });
  });

  it('begins with stop when the build is being stopped already', async () => {
    const { deps, log } = setUp({ claimWork: async () => ({ logOffset: 0, stop: true }) });
    const holding = holdWork(
      step,
      async ({ signal }) => (endedBy(signal) === 'stop' ? { state: 'canceled' } : built),
      deps,
    );
    expect(await holding).toBe(true);
    expect(log[0]).toEqual({ state: 'canceled' });
  });

  it('records nothing once somebody else holds the work', async () => {
    const { deps, log, renew } = setUp({ renewWork: async () => ({ held: false, stop: false }) });
    const holding = holdWork(step, untilEnded, deps);
    await Promise.resolve();
    renew();
    expect(await holding).toBe(false);
    expect(log).toEqual([]);
  });

  it('records nothing when its process leaves, and gives the lease back', async () => {
    const { deps, log, leaving } = setUp();
    const holding = holdWork(step, untilEnded, deps);
    await Promise.resolve();
    leaving.abort();
    await expect(holding).rejects.toThrow('handed over');
    expect(log).toEqual([['renewed until', at(0)]]);
  });
});
