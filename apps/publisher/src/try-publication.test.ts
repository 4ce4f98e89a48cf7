import { failureOf, type Failure } from '@hephy/core';
import { expect, test } from 'vitest';
import { memoryStore } from '../../../test/simulator/memory-records.ts';
import { randomFrom } from '../../../test/simulator/random.ts';
import { recordsPort } from '../../../test/simulator/records-port.ts';
import { buildOf, makeScenario } from '../../../test/simulator/scenario.ts';
import { tryPublication, type TryDeps } from './try-publication.ts';

const now = new Date(Date.UTC(2026, 0, 1));
const repository = 'registry.test/shop';
const latest = { repository, tag: 'latest' };
const stable = { repository, tag: 'stable' };
const foreign = { repository: 'registry.test/other', tag: 'latest' };
const other = { owner: 'other', until: new Date(now.getTime() + 1) };

/** A build with three tags that nobody has moved yet; how each fares, by its name. */
async function run(failures: Record<string, Failure>, isBusy = false) {
  const [wanted] = makeScenario(randomFrom(1)).builds;
  if (!wanted) throw new Error('the scenario has no build');
  const queued = buildOf(wanted, now);
  const [web] = queued.plan.images;
  if (!web) throw new Error('the build has no image');
  const images = [
    { ...web, repository, tags: ['latest', 'stable'] },
    { ...web, repository: foreign.repository, tags: ['latest'] },
  ];
  const build = { ...queued, plan: { ...queued.plan, images } };
  const life = { notBefore: null, leaseUntil: null, startedAt: null, finishedAt: null };
  const step = {
    buildId: build.id,
    kind: 'publication-preflight',
    name: 'publication-preflight',
    attempt: 1,
  } as const;
  const store = memoryStore();
  store.addBuild(build);
  const stored = store.builds.get(build.id);
  if (!stored) throw new Error('no build');
  const asking = {
    ...life,
    ...step,
    failure: null,
    pastFailures: [],
    state: 'pending',
    result: null,
  } as const;
  stored.record = { build, work: [asking], release: null };
  if (isBusy) store.records.lockRepository({ repository, lease: other, at: now });
  const tried: string[] = [];
  const deps: TryDeps = {
    records: recordsPort({ call: async ({ land }) => land() }, store.records),
    queue: { askAdvance: async () => {} },
    signals: { notify: async () => {}, subscribe: () => () => {} },
    now: () => now,
    newId: () => 'first',
    leaseMs: 15_000,
    repeat: () => () => {},
    shutdown: new AbortController().signal,
    onError: () => {},
    trial: {
      async tryTag({ repository, tag, before }) {
        expect(before.getTime() - now.getTime()).toBeLessThan(2_000);
        tried.push(`${repository}:${tag}`);
        const failure = failures[tag];
        return failure ? { ok: false, failure } : { ok: true, value: undefined };
      },
    },
  };
  await tryPublication(step, deps);
  const { records } = store;
  const outcome = records.readBuild(build.id)?.work.find(({ kind }) => kind === step.kind);
  return { outcome, tried, free: records.lockRepository({ repository, lease: other, at: now }) };
}

test('tags that may move let the build go on, and their repositories are free', async () => {
  const { outcome, tried, free } = await run({});
  expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings: [] } });
  expect(tried).toEqual([
    `${repository}:latest`,
    `${repository}:stable`,
    'registry.test/other:latest',
  ]);
  expect(free).toBe(true);
});

test.each(['TagImmutable', 'PushDenied', 'RegistryUnauthorized'] as const)(
  '%s ends the build, and the repository is free',
  async (reason) => {
    const failure = failureOf(reason, { detail: 'it says no' });
    const { outcome, free } = await run({ stable: failure });
    expect(outcome).toMatchObject({ state: 'failed', failure });
    expect(free).toBe(true);
  },
);

test('what the registry does not answer is a warning, and may land until the lock is over', async () => {
  const away = failureOf('RegistryUnavailable', { detail: 'it is away' });
  const { outcome, free } = await run({ stable: away });
  const warnings = [`whether ${repository}:stable may move could not be tried (it is away)`];
  expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings } });
  expect(free).toBe(false);
});

test('nothing is written where another build publishes', async () => {
  const { outcome, tried } = await run({}, true);
  expect(tried).toEqual(['registry.test/other:latest']);
  const warnings = [latest, stable].map(
    ({ tag }) =>
      `whether ${repository}:${tag} may move could not be tried (another build publishes there)`,
  );
  expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings } });
});
