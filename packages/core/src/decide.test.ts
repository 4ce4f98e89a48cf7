import { describe, expect, it } from 'vitest';
import type { PlatformBuild, Work } from './build.ts';
import { decide, type Decision } from './decide.ts';
import {
  at,
  build,
  delivery,
  image,
  platformBuild,
  preflight,
  publication,
  recordOf,
} from './record-for-test.ts';
import { failureOf } from './reasons.ts';

const amd64 = 'linux/amd64';
const arm64 = 'linux/arm64';
const built: Partial<PlatformBuild> = {
  state: 'succeeded',
  result: { exitCode: 0, digest: 'sha256:1' },
};

const decideWith = (...work: Work[]): Decision =>
  decide(recordOf({ state: 'queued' }, work), at(0));

describe('a build on its way', () => {
  it('begins with a preflight', () => {
    expect(decide(recordOf({ state: 'queued' }), at(0))).toEqual({
      change: { addWork: [{ kind: 'preflight', name: 'preflight' }] },
      steps: [],
    });
  });

  it('goes on with every platform of every image', () => {
    const record = recordOf({ state: 'queued' }, [preflight({ state: 'succeeded' })]);
    expect(decide(record, at(0)).change).toEqual({
      state: 'building',
      addWork: [
        { kind: 'platform', name: 'web linux/amd64', image: 'web', platform: amd64 },
        { kind: 'platform', name: 'web linux/arm64', image: 'web', platform: arm64 },
      ],
    });
  });

  it('asks as well whether tags may move that are not proven, and waits for both answers', () => {
    const unprovenTags = [{ repository: 'registry.test/shop', tag: 'latest' }];
    const kind = 'publication-preflight';
    expect(decide({ ...recordOf({ state: 'queued' }), unprovenTags }, at(0)).change).toEqual({
      addWork: [
        { kind: 'preflight', name: 'preflight' },
        { kind, name: kind },
      ],
    });
    const passed = preflight({ state: 'succeeded' });
    const asked = { ...preflight(), kind, name: kind, result: null } as const;
    expect(decideWith(passed, asked)).toMatchObject({ steps: [{ kind, attempt: 1 }] });
    expect(decideWith(passed, asked).change).toBeUndefined();
    const whole = decideWith(passed, { ...asked, state: 'succeeded' });
    expect(whole.change).toMatchObject({ state: 'building' });
    const failure = failureOf('TagImmutable');
    const refused = decideWith(preflight(), { ...asked, state: 'failed', failure });
    expect(refused.change).toEqual({ state: 'canceling', failure });
  });

  it('publishes once all platforms are built, and not before', () => {
    const half = recordOf({}, [platformBuild(amd64, built), platformBuild(arm64)]);
    expect(decide(half, at(0)).change).toBeUndefined();
    const whole = recordOf({}, [platformBuild(amd64, built), platformBuild(arm64, built)]);
    expect(decide(whole, at(0)).change).toEqual({
      state: 'publishing',
      addWork: [{ kind: 'publication', name: 'web', image: 'web' }],
    });
  });

  it('is released once it is published, with a delivery if the app has a hook', () => {
    const work = [publication({ state: 'succeeded' })];
    expect(decide(recordOf({ state: 'publishing' }, work), at(0)).change).toEqual({
      state: 'releasing',
      release: true,
      addWork: [{ kind: 'delivery', name: 'webhook' }],
    });
    const { plan } = build();
    const withoutHook = recordOf({ state: 'publishing', plan: { ...plan, hook: false } }, work);
    expect(decide(withoutHook, at(0)).change).toMatchObject({ release: true, addWork: [] });
  });

  it('has succeeded once the hook knows', () => {
    const waiting = recordOf({ state: 'releasing' }, [delivery({ state: 'running' })]);
    expect(decide(waiting, at(0)).change).toBeUndefined();
    const told = recordOf({ state: 'releasing' }, [delivery({ state: 'succeeded' })]);
    expect(decide(told, at(0)).change).toEqual({ state: 'succeeded' });
  });

  it.each(['succeeded', 'failed', 'canceled', 'superseded'] as const)(
    'asks for nothing more once it is %s',
    (state) => {
      expect(decide(recordOf({ state }, [platformBuild(amd64)]), at(0))).toEqual({ steps: [] });
    },
  );
});

describe('the work that has to run now', () => {
  it('is what is pending, and what runs under a lease that is over', () => {
    const work = [
      platformBuild(amd64),
      platformBuild(arm64, { state: 'running', leaseUntil: at(5_000) }),
    ];
    const record = recordOf({}, work);
    expect(decide(record, at(4_999)).steps).toEqual([
      { buildId: 'b1', kind: 'platform', name: 'web linux/amd64', attempt: 1 },
    ]);
    expect(decide(record, at(5_000)).steps).toHaveLength(2);
  });

  it('waits for the same platform of the images that it needs', () => {
    const images = [image({ name: 'base' }), image({ dependsOn: ['base'] })];
    const { plan } = build();
    const work = [
      platformBuild(amd64, { image: 'base', ...built }),
      platformBuild(arm64, { image: 'base', state: 'running', leaseUntil: at(9_000) }),
      platformBuild(amd64),
      platformBuild(arm64),
    ];
    const { steps } = decide(recordOf({ plan: { ...plan, images } }, work), at(0));
    expect(steps.map(({ name }) => name)).toEqual(['web linux/amd64']);
  });

  it('is asked for again when the next lease is over, a retry is due, or the deadline comes', () => {
    const running = { state: 'running', leaseUntil: at(15_000) } as const;
    const retry = { attempt: 2, notBefore: at(10_000) };
    const both = [platformBuild(amd64, running), platformBuild(arm64, retry)];
    expect(decide(recordOf({}, both), at(0)).askAgainAt).toEqual(at(10_000));
    const deadlineAt = at(7_000);
    expect(decide(recordOf({ deadlineAt }, both), at(0)).askAgainAt).toEqual(deadlineAt);
  });

  it('is not asked for again at once when it is due and nobody has taken it yet', () => {
    const due = platformBuild(amd64, { attempt: 2, notBefore: at(1_000) });
    const over = platformBuild(arm64, { state: 'running', leaseUntil: at(2_000) });
    const decision = decide(recordOf({}, [due, over]), at(3_000));
    expect(decision.steps).toHaveLength(2);
    expect(decision.askAgainAt).toEqual(at(3_600_000));
  });

  it('waits in line as long as none of its steps is taken', () => {
    const waiting = [platformBuild(amd64), platformBuild(arm64)];
    expect(decide(recordOf({}, waiting), at(0)).waitsInLine).toBe(true);
    const taken = platformBuild(arm64, { state: 'running', leaseUntil: at(2_000) });
    expect(decide(recordOf({}, [platformBuild(amd64), taken]), at(0)).waitsInLine).toBeUndefined();
    const lost = decide(recordOf({}, [platformBuild(amd64), taken]), at(3_000));
    expect(lost.steps).toHaveLength(2);
    expect(lost.waitsInLine).toBeUndefined();
    const retry = platformBuild(amd64, { attempt: 2, notBefore: at(10_000) });
    expect(decide(recordOf({}, [retry]), at(0)).waitsInLine).toBeUndefined();
  });
});
