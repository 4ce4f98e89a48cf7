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
const leaseMs = 15_000;
const other = { owner: 'other', until: new Date(now.getTime() + 1) };

/** A build with three tags that nobody has moved yet; how each fares, by its name. */
async function run(
  failures: Record<string, Failure>,
  { isBusy = false, unread = false }: { isBusy?: boolean; unread?: boolean } = {},
) {
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
    leaseMs,
    repeat: () => () => {},
    shutdown: new AbortController().signal,
    onError: () => {},
    trial: {
      async tryTag({ repository, tag, before, onWrite }) {
        expect(before.getTime() - now.getTime()).toBeLessThan(2_000);
        tried.push(`${repository}:${tag}`);
        if (!unread) onWrite();
        const failure = failures[tag];
        return failure ? { ok: false, failure } : { ok: true, value: undefined };
      },
    },
  };
  await tryPublication(step, deps);
  const { records } = store;
  const outcome = records.readBuild(build.id)?.work.find(({ kind }) => kind === step.kind);
  const isFree = (ms: number): boolean => {
    const at = new Date(now.getTime() + ms);
    return records.lockRepository({ repository, lease: { ...other, until: at }, at });
  };
  return { outcome, tried, isFree };
}

test('tags that may move let the build go on, and their repositories are free', async () => {
  const { outcome, tried, isFree } = await run({});
  expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings: [] } });
  expect(tried).toEqual([
    `${repository}:latest`,
    `${repository}:stable`,
    'registry.test/other:latest',
  ]);
  expect(isFree(0)).toBe(true);
});

test.each([
  ['TagImmutable', 'it says no'],
  ['PushDenied', 'publisher: it says no'],
  ['RegistryUnauthorized', 'publisher: it says no'],
] as const)(
  '%s ends the build, with whose right it is, and the repository is free',
  async (reason, detail) => {
    const { outcome, isFree } = await run({ stable: failureOf(reason, { detail: 'it says no' }) });
    expect(outcome).toMatchObject({ state: 'failed', failure: { reason, detail } });
    expect(isFree(0)).toBe(true);
  },
);

const lasting = ['RegistryUnavailable', 'RateLimited', 'ManifestInvalid'] as const;
const couldNot = [`whether ${repository}:stable may move could not be tried (it is away)`];

test.each(lasting)(
  'a tag that was written, and not answered but by %s, is a warning, and may land as late as a move may',
  async (reason) => {
    const failure = failureOf(reason, { detail: 'it is away' });
    const { outcome, isFree } = await run({ stable: failure });
    expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings: couldNot } });
    expect([isFree(leaseMs - 1), isFree(leaseMs)]).toEqual([false, true]);
  },
);

test.each([...lasting, 'PushDenied'] as const)(
  'a tag that was not written (%s) is a warning, and nobody waits for it',
  async (reason) => {
    const failure = failureOf(reason, { detail: 'it is away' });
    const { outcome, isFree } = await run({ stable: failure }, { unread: true });
    expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings: couldNot } });
    expect(isFree(0)).toBe(true);
  },
);

test('nothing is written where the repository is locked', async () => {
  const { outcome, tried } = await run({}, { isBusy: true });
  expect(tried).toEqual(['registry.test/other:latest']);
  const warnings = [latest, stable].map(
    ({ tag }) =>
      `whether ${repository}:${tag} may move could not be tried (its repository is locked)`,
  );
  expect(outcome).toMatchObject({ state: 'succeeded', result: { warnings } });
});
