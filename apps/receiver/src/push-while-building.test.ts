import { AppSettings, type BuildState } from '@hephy/core';
import { zeroSha } from '@hephy/git';
import { createApps } from '@hephy/store';
import { afterEach, expect, test } from 'vitest';
import { until } from '../../../test/parts/until.ts';
import { openDeployGround, ref, type DeployGround } from './deploy-for-test.ts';
import { deploy, type DeployDeps, type RefAnswer } from './deploy.ts';

let ground: DeployGround;
let pushes: Push[] = [];
afterEach(async () => {
  for (const push of pushes) push.leave();
  await Promise.allSettled(pushes.map(({ answer }) => answer));
  pushes = [];
  await ground.close();
});

interface Push {
  readonly sha: string;
  readonly lines: string[];
  readonly answer: Promise<RefAnswer>;
  leave(): void;
}

async function open(pushWhileBuilding: AppSettings['pushWhileBuilding']): Promise<void> {
  ground = await openDeployGround({ pushWhileBuilding });
}

/** A push by this user, of a new commit or of the one that is named. */
async function push(
  userName: string,
  {
    sha,
    oldSha = zeroSha,
    deps = ground.deps,
  }: { sha?: string; oldSha?: string; deps?: DeployDeps } = {},
): Promise<Push> {
  const newSha =
    sha ?? (await ground.commit({ Dockerfile: `FROM scratch\nLABEL by=${userName}\n` }));
  const lines: string[] = [];
  const leaving = new AbortController();
  const { app } = ground;
  const input = {
    app,
    pusher: { userId: userName, userName, operator: false },
    command: { ref, oldSha, newSha },
    pushOptions: [],
    write: (line: string) => void lines.push(line),
    signal: leaving.signal,
  };
  const leave = (): void => leaving.abort(new Error('left'));
  const made = { sha: newSha, lines, answer: deploy(input, deps), leave };
  pushes.push(made);
  return made;
}

const noApp = (): Promise<undefined> => Promise.resolve(undefined);
const building = (number: number): Promise<unknown> =>
  until(`build ${number}`, async () => (await ground.liveNumber()) === number);
const told = ({ lines }: Push, line: string): Promise<unknown> =>
  until(line, () => lines.some((one) => one === line));
const stop = (buildId: string, state: BuildState): Promise<void> =>
  ground.change(buildId, { state });
const cancelRequestOf = async (buildId: string) =>
  (await ground.deps.records.readBuild(buildId))?.build.cancelRequest;

test('a push waits for the build, and goes on from where that has brought the branch', async () => {
  await open('queue');
  const first = await push('ada');
  await building(1);
  const second = await push('bob');
  await told(
    second,
    '-----> Waiting for build 1 of shop, which ada pushed (watch it: hephy logs -f 1 -a shop)',
  );
  expect(await cancelRequestOf('B1')).toBeNull();
  await stop('B1', 'succeeded');
  expect(await first.answer).toEqual({ ref, ok: true });
  await building(2);
  await stop('B2', 'succeeded');
  expect(await second.answer).toEqual({ ref, ok: true, oldSha: first.sha });
  expect(await ground.deps.repositories.readRef('A1', ref)).toBe(second.sha);
});

test('pushes wait in the order of their arrival, and one whose client leaves makes room', async () => {
  await open('queue');
  const first = await push('ada');
  await building(1);
  const second = await push('bob');
  const third = await push('cleo');
  const fourth = await push('dan');
  await told(fourth, '-----> Waiting behind 2 pushes of shop');
  second.leave();
  await expect(second.answer).rejects.toThrow('aborted');
  await told(fourth, '-----> Waiting behind 1 push of shop');
  await stop('B1', 'succeeded');
  await first.answer;
  await building(2);
  await told(
    fourth,
    '-----> Waiting for build 2 of shop, which cleo pushed (watch it: hephy logs -f 2 -a shop)',
  );
  await stop('B2', 'succeeded');
  expect(await third.answer).toMatchObject({ ok: true });
  await building(3);
  await stop('B3', 'succeeded');
  expect(await fourth.answer).toMatchObject({ ok: true, oldSha: third.sha });
});

/** Waits until it is told to end. */
const forGood: DeployDeps['wait'] = (_milliseconds, signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('over'))));

test('pushes that wait go on when the one before them ends, and not at the next look', async () => {
  await open('queue');
  const deps = { ...ground.deps, wait: forGood };
  const first = await push('ada', { deps });
  await building(1);
  const second = await push('bob', { deps });
  const third = await push('cleo', { deps });
  await told(third, '-----> Waiting behind 1 push of shop');
  await stop('B1', 'succeeded');
  expect(await first.answer).toMatchObject({ ok: true });
  await building(2);
  await stop('B2', 'succeeded');
  expect(await second.answer).toMatchObject({ ok: true });
  await building(3);
  await stop('B3', 'succeeded');
  expect(await third.answer).toMatchObject({ ok: true });
});

test('a push that does not contain what was released while it waited is refused', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  await ground.work.git('checkout', '--quiet', '--orphan', 'other');
  const second = await push('bob');
  await stop('B1', 'succeeded');
  expect(await second.answer).toMatchObject({
    ok: false,
    reason: 'main has moved meanwhile; fetch it, and push again',
  });
  expect(await ground.liveNumber()).toBeUndefined();
});

test('the same commit, pushed again while it is built, is built once', async () => {
  await open('queue');
  const first = await push('ada');
  await building(1);
  const second = await push('ada', { sha: first.sha });
  await stop('B1', 'succeeded');
  expect(await second.answer).toEqual({ ref, ok: true });
  expect(second.lines.at(-1)).toBe(
    `-----> main is at ${first.sha.slice(0, 8)} by now: there is nothing to build`,
  );
  expect(await ground.deps.records.readBuild('B2')).toBeUndefined();
});

test('a push takes the place of the build, whose pusher learns of it', async () => {
  await open('supersede');
  const first = await push('ada');
  await building(1);
  const second = await push('bob');
  await told(second, '-----> Superseding build 1 of shop, which ada pushed');
  const reason = `bob pushed ${second.sha.slice(0, 8)}`;
  expect(await cancelRequestOf('B1')).toMatchObject({ by: 'bob', reason, superseded: true });
  await stop('B1', 'superseded');
  expect(await first.answer).toEqual({ ref, ok: false, reason: `superseded: ${reason} (build 1)` });
  await building(2);
  await stop('B2', 'succeeded');
  expect(await second.answer).toEqual({ ref, ok: true });
});

test('a push that could not be built anyway ends no build', async () => {
  await open('supersede');
  const first = await push('ada');
  await building(1);
  const tooLarge = await push('bob', { deps: { ...ground.deps, maxSourceBytes: 100 } });
  expect(await tooLarge.answer).toMatchObject({ ok: false });
  expect(await cancelRequestOf('B1')).toBeNull();
  await stop('B1', 'succeeded');
  expect(await first.answer).toMatchObject({ ok: true });
});

test('a push that waits ends no build once its pusher may not deploy, or the app lets pushes wait', async () => {
  await open('supersede');
  await push('ada');
  await building(1);
  const removed = await push('bob', {
    deps: { ...ground.deps, rightOf: () => Promise.resolve(undefined) },
  });
  expect(await removed.answer).toMatchObject({ reason: 'bob may not push to shop any more' });
  const settings = AppSettings.parse({ pushWhileBuilding: 'queue' });
  await createApps(ground.database.db).updateSettings('A1', settings);
  const second = await push('cleo');
  await told(
    second,
    '-----> Waiting for build 1 of shop, which ada pushed (watch it: hephy logs -f 1 -a shop)',
  );
  expect(await cancelRequestOf('B1')).toBeNull();
});

test('what is being published already is waited for', async () => {
  await open('supersede');
  const first = await push('ada');
  await building(1);
  await stop('B1', 'publishing');
  const second = await push('bob');
  await told(
    second,
    '-----> Waiting for build 1 of shop, which ada pushed (watch it: hephy logs -f 1 -a shop)',
  );
  expect(await cancelRequestOf('B1')).toBeNull();
  await stop('B1', 'succeeded');
  expect(await first.answer).toMatchObject({ ok: true });
  await building(2);
  await stop('B2', 'succeeded');
  expect(await second.answer).toMatchObject({ ok: true, oldSha: first.sha });
});

test('a build that comes in between is waited for, too', async () => {
  await open('queue');
  const { deps } = ground;
  let refused = 0;
  const acceptPush: DeployDeps['acceptPush'] = (wanted) => {
    refused += 1;
    return refused === 1
      ? Promise.resolve({ ok: false, why: 'Busy', runningNumber: 7 })
      : deps.acceptPush(wanted);
  };
  const only = await push('ada', { deps: { ...deps, acceptPush } });
  await building(1);
  await stop('B2', 'succeeded');
  expect(await only.answer).toEqual({ ref, ok: true });
});

test('a push that waits as the service stops is told to come again, and leaves nothing', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  const stopping = new AbortController();
  const second = await push('bob', { deps: { ...ground.deps, shutdown: stopping.signal } });
  stopping.abort('shutdown');
  expect(await second.answer).toEqual({ ref, ok: false, reason: 'the service stops; push again' });
  await stop('B1', 'failed');
  expect(await ground.liveNumber()).toBeUndefined();
});

test('a record that is away as the turn comes costs a pause', async () => {
  await open('queue');
  const { deps } = ground;
  let asked = 0;
  const catchUp: DeployDeps['catchUp'] = async (appId) => {
    asked += 1;
    if (asked === 1) throw new Error('the database is away');
    await deps.catchUp(appId);
  };
  const only = await push('ada', { deps: { ...deps, catchUp } });
  await building(1);
  await stop('B1', 'succeeded');
  expect(await only.answer).toEqual({ ref, ok: true });
});

test('a push whose pusher may not deploy any more when its turn has come is refused', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  const second = await push('bob', {
    deps: { ...ground.deps, rightOf: () => Promise.resolve('reader') },
  });
  await stop('B1', 'failed');
  const reason = 'bob may not push to shop any more';
  expect(await second.answer).toEqual({ ref, ok: false, reason });
  expect(await ground.liveNumber()).toBeUndefined();
});

test('a push does not wait where a hundred of all apps do', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  const others = Array.from({ length: 100 }, () => ground.deps.line.join('A2'));
  const reason = 'too many pushes wait for their builds; push again later';
  expect(await (await push('bob')).answer).toEqual({ ref, ok: false, reason });
  for (const place of others) place.leave();
  const third = await push('cleo');
  await stop('B1', 'failed');
  await building(2);
  await stop('B2', 'succeeded');
  expect(await third.answer).toMatchObject({ ok: true });
});

test('a push does not wait for ever for a build that nobody ends', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  const later = new Date(Date.now() + 24 * 3600_000);
  const second = await push('bob', { deps: { ...ground.deps, now: () => later } });
  const reason = 'build 1 of shop is overdue, see: hephy logs 1 -a shop';
  expect(await second.answer).toEqual({ ref, ok: false, reason });
});

test('an app that deploys another branch by the end of the wait, or is deleted, builds nothing', async () => {
  await open('queue');
  await push('ada');
  await building(1);
  const second = await push('bob');
  const settings = AppSettings.parse({ pushWhileBuilding: 'queue', deployBranch: 'live' });
  await createApps(ground.database.db).updateSettings('A1', settings);
  await stop('B1', 'failed');
  const reason = 'shop deploys live by now; push to that';
  expect(await second.answer).toEqual({ ref, ok: false, reason });
  const third = await push('cleo', { deps: { ...ground.deps, findApp: noApp } });
  expect(await third.answer).toEqual({ ref, ok: false, reason: 'shop was deleted meanwhile' });
});
