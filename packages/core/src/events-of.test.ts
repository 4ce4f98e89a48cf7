import { describe, expect, it } from 'vitest';
import type { PlatformBuild, Publication, Work } from './build.ts';
import { eventsOf, eventsOfClaim, eventsOfFinish } from './events-of.ts';

const life = {
  buildId: 'b',
  state: 'pending',
  attempt: 1,
  notBefore: null,
  leaseUntil: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  pastFailures: [],
  result: null,
} as const;
const platform: PlatformBuild = {
  ...life,
  kind: 'platform',
  name: 'web linux/arm64',
  image: 'web',
  platform: 'linux/arm64',
};
const publication: Publication = { ...life, kind: 'publication', name: 'web', image: 'web' };
const plan = {
  images: [],
  requireNativeNodes: true,
  noCache: false,
  timeLimitSeconds: 1,
  hook: true,
};
const at = new Date(5000);
const facts = { appName: 'shop', work: [], releaseVersion: undefined };

describe('the events of a change', () => {
  it('are none for a change that only adds or cancels work', () => {
    expect(eventsOf({ addWork: [{ kind: 'preflight', name: 'preflight' }] }, facts)).toEqual([]);
    expect(eventsOf({ cancelWork: [platform] }, facts)).toEqual([]);
  });

  it('tell a new state, with its failure', () => {
    const failure = { reason: 'DiskFull' } as const;
    const change = { state: 'failed', failure } as const;
    expect(eventsOf(change, facts)).toEqual([{ type: 'build.state', ...change }]);
  });

  it('tell each retry with the failure before it and the number of the next attempt', () => {
    const failure = { reason: 'RegistryUnavailable' } as const;
    const failed: Work[] = [platform, publication].map((work) => ({
      ...work,
      state: 'failed',
      attempt: 2,
      failure,
    }));
    const retryWork = failed.map((key) => ({ key, notBefore: at }));
    expect(eventsOf({ retryWork }, { ...facts, work: failed })).toEqual([
      { type: 'work.retried', what: 'web linux/arm64', attempt: 3, failure },
      { type: 'work.retried', what: 'publishing web', attempt: 3, failure },
    ]);
  });

  it('tell a release that is new, after the state, and none that was there', () => {
    const change = { state: 'releasing', release: true } as const;
    const state = { type: 'build.state', state: 'releasing' };
    const released = { type: 'release.created', version: 7, appName: 'shop' };
    expect(eventsOf(change, { ...facts, releaseVersion: 7 })).toEqual([state, released]);
    expect(eventsOf(change, facts)).toEqual([state]);
  });
});

describe('the events of a claim', () => {
  it('tell that a platform build started, unless it runs already', () => {
    const started = { platform: 'linux/arm64', image: 'web', attempt: 1 };
    expect(eventsOfClaim(platform)).toEqual([{ type: 'platform.started', ...started }]);
    expect(eventsOfClaim({ ...platform, state: 'running' })).toEqual([]);
    expect(eventsOfClaim(publication)).toEqual([]);
  });
});

describe('the events of finished work', () => {
  it('tell the duration of a platform build, and nothing negative if a clock went back', () => {
    const outcome = { state: 'canceled' } as const;
    const work = { ...platform, startedAt: new Date(4000) };
    const finished = { type: 'platform.finished', state: 'canceled' };
    expect(eventsOfFinish({ work, plan, outcome, at })).toMatchObject([
      { ...finished, durationMs: 1000 },
    ]);
    expect(eventsOfFinish({ work, plan, outcome, at: new Date(0) })).toMatchObject([
      { ...finished, durationMs: 0 },
    ]);
  });

  it('are none for a publication that failed: the retry or the state tells it', () => {
    const outcome = { state: 'failed', failure: { reason: 'TagImmutable' } } as const;
    expect(eventsOfFinish({ work: publication, plan, outcome, at })).toEqual([]);
  });

  it('refuse a result that is not of the kind of work', () => {
    const outcome = { state: 'succeeded', result: { exitCode: 0 } } as const;
    expect(() => eventsOfFinish({ work: platform, plan, outcome, at })).toThrow('digest');
  });
});
