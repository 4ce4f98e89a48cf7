import { describe, expect, it } from 'vitest';
import type { Build, Work } from './build.ts';
import { decide, type BuildChange } from './decide.ts';
import { at, delivery, platformBuild, publication, recordOf } from './record-for-test.ts';

const amd64 = 'linux/amd64';
const arm64 = 'linux/arm64';
const lost = { state: 'failed', failure: { reason: 'BuilderLost' } } as const;
const userFailure = { reason: 'BuildFailed', platform: arm64, exitCode: 7 } as const;
const keyOf = ({ buildId, kind, name }: Work) => ({ buildId, kind, name });

describe('a part that failed', () => {
  it('is tried again after a pause that grows, if another try may help', () => {
    const first = platformBuild(amd64, lost);
    expect(decide(recordOf({}, [first]), at(0)).change).toEqual({
      retryWork: [{ key: keyOf(first), notBefore: at(1_000) }],
    });
    const second = platformBuild(amd64, { ...lost, attempt: 2 });
    expect(decide(recordOf({}, [second]), at(0)).change?.retryWork).toEqual([
      { key: keyOf(second), notBefore: at(10_000) },
    ]);
  });

  it('stops the build after the last attempt', () => {
    const third = platformBuild(amd64, { ...lost, attempt: 3 });
    expect(decide(recordOf({}, [third]), at(0)).change).toEqual({
      state: 'canceling',
      failure: lost.failure,
    });
  });

  it('is tried once more if the next attempt is made otherwise, whatever else comes between', () => {
    const failure = { reason: 'OutOfMemory', platform: amd64 } as const;
    const second = platformBuild(amd64, { state: 'failed', failure, attempt: 2 });
    const afterOther = { ...second, pastFailures: [lost.failure] };
    expect(decide(recordOf({}, [afterOther]), at(0)).change?.retryWork).toHaveLength(1);
    const again = { ...second, pastFailures: [failure] };
    expect(decide(recordOf({}, [again]), at(0)).change).toEqual({ state: 'canceling', failure });
  });

  it("stops the build at once if it is the user's to mend", () => {
    const work = [
      platformBuild(amd64, { state: 'running', leaseUntil: at(9_000) }),
      platformBuild(arm64, { state: 'failed', failure: userFailure }),
    ];
    expect(decide(recordOf({}, work), at(0)).change).toEqual({
      state: 'canceling',
      failure: userFailure,
    });
  });

  it('fails the build when it is the publication, once no other one is at work', () => {
    const failure = { reason: 'PushDenied' } as const;
    const failed = publication({ state: 'failed', failure });
    const other = publication({ name: 'base', image: 'base', state: 'running' });
    expect(
      decide(recordOf({ state: 'publishing' }, [failed, other]), at(0)).change,
    ).toBeUndefined();
    expect(decide(recordOf({ state: 'publishing' }, [failed]), at(0)).change).toEqual({
      state: 'failed',
      failure,
    });
  });

  it('fails the build when it is the hook, after four attempts', () => {
    const failure = { reason: 'HookFailed' } as const;
    const tried = (attempt: number) =>
      recordOf({ state: 'releasing' }, [delivery({ state: 'failed', failure, attempt })]);
    expect(decide(tried(3), at(0)).change?.retryWork).toHaveLength(1);
    expect(decide(tried(4), at(0)).change).toEqual({ state: 'failed', failure });
  });
});

describe('a build that is being stopped', () => {
  const cancelRequest = { at: at(0), by: 'anna', reason: 'wrong branch', superseded: false };

  it('is canceled because somebody asked for it', () => {
    const record = recordOf({ cancelRequest }, [platformBuild(amd64)]);
    expect(decide(record, at(0)).change).toEqual({ state: 'canceling' });
  });

  it('tries nothing again', () => {
    const record = recordOf({ cancelRequest }, [platformBuild(amd64, lost)]);
    expect(decide(record, at(0)).change).toEqual({ state: 'canceling' });
  });

  it('stops at its deadline, while it builds', () => {
    const deadlineAt = at(1_000);
    expect(decide(recordOf({ deadlineAt }, [platformBuild(amd64)]), at(1_000)).change).toEqual({
      state: 'canceling',
      failure: { reason: 'DeadlineExceeded' },
    });
    const publishing = recordOf({ state: 'publishing', deadlineAt }, [publication()]);
    expect(decide(publishing, at(2_000)).change).toBeUndefined();
  });

  it('cancels what is pending, waits for what runs, and hands out what nobody holds any more', () => {
    const pending = platformBuild(amd64);
    const running = platformBuild(arm64, { state: 'running', leaseUntil: at(5_000) });
    const state = 'canceling';
    expect(decide(recordOf({ state }, [pending, running]), at(0)).change).toEqual({
      cancelWork: [keyOf(pending)],
    });
    expect(decide(recordOf({ state }, [running]), at(0))).toMatchObject({ steps: [] });
    expect(decide(recordOf({ state }, [running]), at(5_000)).steps).toHaveLength(1);
  });

  it('ends as failed if a part failed, and as what was asked for if not', () => {
    const work = [platformBuild(amd64, { state: 'canceled' })];
    const ended = (build: Partial<Build>): BuildChange | undefined =>
      decide(recordOf({ state: 'canceling', ...build }, work), at(0)).change;
    const superseding = { ...cancelRequest, superseded: true };
    expect(ended({ failure: userFailure })).toEqual({ state: 'failed' });
    expect(ended({ cancelRequest })).toEqual({ state: 'canceled' });
    expect(ended({ cancelRequest: superseding })).toEqual({ state: 'superseded' });
    const both = { failure: userFailure, cancelRequest: superseding };
    expect(ended(both)).toEqual({ state: 'failed' });
  });
});
