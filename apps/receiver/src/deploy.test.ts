import { setTimeout as delay } from 'node:timers/promises';
import { zeroSha } from '@hephy/git';
import { createBuildRecords } from '@hephy/store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../../../test/parts/until.ts';
import { openDeployGround, ref, type DeployGround } from './deploy-for-test.ts';
import { deploy, type DeployDeps } from './deploy.ts';
import { moveRefs } from './move-refs.ts';

let ground: DeployGround;
let sha: string;
let lines: string[];
let deps: DeployDeps;
beforeEach(async () => {
  ground = await openDeployGround();
  ({ deps } = ground);
  sha = await ground.commit({ Dockerfile: 'FROM scratch\n' });
  lines = [];
});
afterEach(() => ground.close());

const push = (oldSha: string, signal = new AbortController().signal) =>
  deploy(
    {
      app: ground.app,
      pusher: { userId: 'U1', userName: 'ada', operator: false },
      command: { ref, oldSha, newSha: sha },
      pushOptions: [],
      write: (line) => void lines.push(line),
      signal,
    },
    deps,
  );

const accepted = (): Promise<number> => until('a build', () => ground.liveNumber());

const endBuild = (): Promise<void> => ground.change('B1', { state: 'succeeded' });

test('a push that begins at an older commit than the branch has by now is refused before it builds', async () => {
  const older = sha;
  await ground.work.git('checkout', '--quiet', '--orphan', 'other');
  sha = await ground.commit({ Dockerfile: 'FROM busybox\n' });
  await deps.repositories.updateRef(ground.app.id, { ref, oldSha: zeroSha, newSha: older });
  expect(await push(zeroSha)).toEqual({
    ref,
    ok: false,
    reason: 'main has moved meanwhile; fetch it, and push again',
  });
  expect(await ground.liveNumber()).toBeUndefined();
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
  await endBuild();
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
  await endBuild();
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
  const { build } = (await createBuildRecords(ground.database.db).readBuild('B1')) ?? {};
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
      ...deps.repositories,
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
