import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppSettings, failureOf, type App } from '@hephy/core';
import { createRepositories, gitEnvironment, zeroSha } from '@hephy/git';
import { createDirectorySourceStore } from '@hephy/source';
import {
  createApps,
  createBuildQueries,
  createBuildRecords,
  createPushes,
  migrate,
  openDatabase,
  type OpenDatabase,
} from '@hephy/store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkTree, type WorkTree } from '../../../test/parts/git-client.ts';
import { until } from '../../../test/parts/until.ts';
import { deploy, type DeployDeps } from './deploy.ts';
import { moveRefs } from './move-refs.ts';

const ref = 'refs/heads/main';
const app: App = {
  id: 'A1',
  name: 'shop',
  settings: AppSettings.parse({}),
  createdAt: new Date(),
};

let folder: string;
let database: OpenDatabase;
let work: WorkTree;
let sha: string;
let lines: string[];
let deps: DeployDeps;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-deploy-'));
  work = await createWorkTree(join(folder, 'work'));
  sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
  database = await openDatabase({
    directory: undefined,
    cacheDirectory: join(tmpdir(), 'hephy-builder-tests'),
  });
  await migrate(database.db);
  await createApps(database.db).createApp(app);
  lines = [];
  deps = await makeDeps();
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

async function makeDeps(): Promise<DeployDeps> {
  const repositories = createRepositories({
    root: join(folder, 'repositories'),
    hooksPath: join(folder, 'hooks'),
    environment: gitEnvironment({ path: process.env['PATH'] ?? '/usr/bin:/bin' }),
  });
  const path = await repositories.ensure(app.id, { deployRefs: [], maxInputBytes: 1e6 });
  await work.git('push', '--quiet', path, 'HEAD:refs/heads/elsewhere');
  const pushes = createPushes(database.db);
  let ids = 0;
  return {
    repositories,
    source: createDirectorySourceStore({ directory: join(folder, 'sources') }),
    acceptPush: (push) => pushes.acceptPush(push),
    markRefMoved: (buildId, at) => pushes.markRefMoved(buildId, at),
    records: createBuildRecords(database.db),
    queue: { askAdvance: () => Promise.resolve() },
    subscribe: (_buildId, callback) => {
      const timer = setInterval(callback, 20);
      return () => clearInterval(timer);
    },
    registry: 'r.test',
    maxSourceBytes: 1e6,
    now: () => new Date(),
    newId: () => `B${(ids += 1)}`,
    wait: (_milliseconds, signal) => delay(1, undefined, { signal }),
    onError: () => undefined,
    health: { ready: () => Promise.resolve({ checks: { redis: 'ok' } }) },
    shutdown: new AbortController().signal,
  };
}

const push = (oldSha: string, signal = new AbortController().signal) =>
  deploy(
    {
      app,
      pusher: { userId: 'U1', userName: 'ada', operator: false },
      command: { ref, oldSha, newSha: sha },
      pushOptions: [],
      write: (line) => void lines.push(line),
      signal,
    },
    deps,
  );

const liveNumber = (): Promise<number | undefined> =>
  createBuildQueries(database.db).findLiveNumber(app.id);
const accepted = (): Promise<number> => until('a build', liveNumber);

async function endBuild(state: 'succeeded' | 'failed'): Promise<void> {
  const records = createBuildRecords(database.db);
  const build = (await records.readBuild('B1'))?.build;
  const change = state === 'failed' ? { state, failure: failureOf('BuildFailed') } : { state };
  await records.applyChange({
    buildId: 'B1',
    version: build?.version ?? 0,
    change,
    at: new Date(),
    newId: deps.newId,
  });
}

test('a push that begins at an older commit than the branch has by now is refused before it builds', async () => {
  const update = { ref, oldSha: zeroSha, newSha: sha };
  await deps.repositories.updateRef(app.id, update);
  expect(await push(zeroSha)).toEqual({
    ref,
    ok: false,
    reason: 'main has moved meanwhile; fetch it, and push again',
  });
  expect(await liveNumber()).toBeUndefined();
});

test('an accepted push whose answer was lost is one build, and goes on', async () => {
  const { acceptPush } = deps;
  let asked = 0;
  deps = {
    ...deps,
    acceptPush: async (wanted) => {
      const answer = await acceptPush(wanted);
      asked += 1;
      if (asked === 1) throw new Error('the connection ended');
      return answer;
    },
  };
  const answer = push(zeroSha);
  await accepted();
  await endBuild('succeeded');
  expect(await answer).toEqual({ ref, ok: true });
  expect(asked).toBe(2);
});

test('who leaves while the record is away has the build canceled once it is back', async () => {
  const { records } = deps;
  let asked = 0;
  deps = {
    ...deps,
    records: {
      ...records,
      requestCancel: (wish) => {
        asked += 1;
        return asked < 3 ? Promise.reject(new Error('away')) : records.requestCancel(wish);
      },
    },
  };
  const leaving = new AbortController();
  const answer = push(zeroSha, leaving.signal);
  await accepted();
  leaving.abort(new Error('left'));
  await expect(answer).rejects.toThrow('left');
  await until(
    'the wish',
    async () => (await records.readBuild('B1'))?.build.cancelRequest !== null,
  );
});

test('a push that no worker takes is told so, and let go when its build is overdue', async () => {
  const start = Date.now();
  let waited = 0;
  deps = {
    ...deps,
    now: () => new Date(start + waited),
    wait: async (milliseconds, signal) => {
      waited += milliseconds;
      await delay(1, undefined, { signal });
    },
  };
  expect(await push(zeroSha)).toMatchObject({
    ok: false,
    reason: expect.stringContaining('it is overdue; build 1 goes on'),
  });
  expect(lines).toContain(
    '       Build 1 waits: no worker is free, or none runs (hephy worker, hephy publisher)',
  );
});

test('a push whose build waits because Redis is away is told so', async () => {
  const checks = { database: 'ok', redis: 'Redis is away' };
  deps = { ...deps, health: { ready: () => Promise.resolve({ checks }) } };
  const answer = push(zeroSha);
  const told = 'waits: the service does not reach its redis; it goes on by itself when it does';
  await until('the word', () => lines.some((line) => line.includes(told)));
  await endBuild('succeeded');
  expect(await answer).toEqual({ ref, ok: true });
});

test('a push that waits as the service stops is told that its build goes on, and does not cancel it', async () => {
  const stopping = new AbortController();
  deps = { ...deps, shutdown: stopping.signal };
  const leaving = new AbortController();
  const answer = push(zeroSha, leaving.signal);
  await accepted();
  stopping.abort('shutdown');
  expect(await answer).toMatchObject({
    ok: false,
    reason: 'the service stops; build 1 goes on without you, see: hephy logs -f 1 -a shop',
  });
  leaving.abort(new Error('cut off'));
  const { build } = (await createBuildRecords(database.db).readBuild('B1')) ?? {};
  expect(build).toMatchObject({ state: 'queued', cancelRequest: null });
});

test('a ref that cannot be moved keeps no other app waiting', async () => {
  const moved: string[] = [];
  const errors: unknown[] = [];
  const unmoved = ['A1', 'A2'].map((appId) => ({
    buildId: `of ${appId}`,
    appId,
    ref,
    oldSha: zeroSha,
    newSha: sha,
  }));
  await moveRefs({
    ...deps,
    repositories: {
      updateRef: (appId, move) =>
        appId === 'A1'
          ? Promise.reject(new Error('no space left'))
          : deps.repositories.updateRef('A1', move),
    },
    markRefMoved: async (buildId) => void moved.push(buildId),
    listUnmovedRefs: () => Promise.resolve(unmoved),
    onError: (error) => errors.push(error),
  });
  expect(moved).toEqual(['of A2']);
  expect(errors).toHaveLength(1);
});
