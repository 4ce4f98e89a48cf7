import { planBuild, AppSettings } from '@hephy/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApps } from './apps.ts';
import { createBuildQueries } from './build-queries.ts';
import { createBuildRecords } from './build-records.ts';
import { at } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { openPgliteMigrated, usePostgres } from './open-for-test.ts';
import { createPushes, type AcceptedPush } from './pushes.ts';

const settings = AppSettings.parse({});
let ids = 0;
const newId = (): string => `01J${String((ids += 1)).padStart(23, '0')}`;

const pushOf = (appId: string, differences: Partial<AcceptedPush> = {}): AcceptedPush => ({
  id: newId(),
  appId,
  userName: 'ada',
  ref: 'refs/heads/main',
  oldSha: '0'.repeat(40),
  newSha: 'c'.repeat(40),
  source: { sha256: 'd'.repeat(64), sizeBytes: 12 },
  plan: planBuild({ app: { name: 'shop', settings }, sha: 'c'.repeat(40), registry: 'r.test' }),
  deadlineAt: at(1_000_000),
  at: at(10),
  ...differences,
});

const postgres = usePostgres();

describe.each([
  ['PGlite', openPgliteMigrated],
  ['PostgreSQL', () => postgres.openMigrated()],
])('pushes on %s', (_name, open) => {
  let opened: OpenDatabase;
  const parts = () => ({
    pushes: createPushes(opened.db),
    apps: createApps(opened.db),
    records: createBuildRecords(opened.db),
    queries: createBuildQueries(opened.db),
  });
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(async () => opened.close());

  const makeApp = async (): Promise<string> => {
    const id = newId();
    const name = `app-${id.slice(-6)}`;
    await parts().apps.createApp({ id, name, settings, createdAt: at(0) });
    return id;
  };
  const end = async (buildId: string, state: 'succeeded' | 'failed'): Promise<void> => {
    const { records } = parts();
    const version = (await records.readBuild(buildId))?.build.version ?? 0;
    await records.applyChange({ buildId, version, change: { state }, at: at(20), newId });
  };

  it('makes a queued build with the next number of the app, and tells it', async () => {
    const { pushes, records } = parts();
    const appId = await makeApp();
    const push = pushOf(appId);
    const accepted = await pushes.acceptPush(push);
    expect(accepted).toEqual({ ok: true, number: 1, version: 1 });
    const record = await records.readBuild(push.id);
    expect(record?.build).toMatchObject({
      appId,
      number: 1,
      state: 'queued',
      sha: push.newSha,
      ref: push.ref,
      pushedBy: 'ada',
      source: push.source,
      plan: push.plan,
      deadlineAt: push.deadlineAt,
      createdAt: push.at,
    });
    const output = await records.readOutput({ buildId: push.id, afterSeq: 0, limit: 10 });
    const platforms = ['linux/amd64', 'linux/arm64'];
    const appName = record?.build.appName;
    expect(output).toEqual([
      {
        seq: 1,
        kind: 'event',
        at: push.at,
        event: { type: 'build.queued', number: 1, appName, sha: push.newSha, platforms },
      },
    ]);
  });

  it('lists a build that no message announced among those to look at', async () => {
    const { pushes, records } = parts();
    const push = pushOf(await makeApp());
    await pushes.acceptPush(push);
    const due = await records.listDueBuilds({ now: at(10), limit: 100 });
    expect(due).toContainEqual({ id: push.id, version: 1 });
  });

  it('is busy while a build of the app has not ended, and uses no number up for it', async () => {
    const { pushes } = parts();
    const appId = await makeApp();
    const first = pushOf(appId);
    await pushes.acceptPush(first);
    const busy = { ok: false, why: 'Busy', runningNumber: 1 };
    expect(await pushes.acceptPush(pushOf(appId))).toEqual(busy);
    await end(first.id, 'failed');
    expect(await pushes.acceptPush(pushOf(appId))).toMatchObject({ ok: true, number: 2 });
  });

  it('accepts one of ten pushes that come side by side', async () => {
    const { pushes } = parts();
    const appId = await makeApp();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => pushes.acceptPush(pushOf(appId))),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok && answer.runningNumber === 1)).toHaveLength(9);
  });

  it('refuses to build an app that is gone', async () => {
    const { pushes, apps } = parts();
    const appId = await makeApp();
    await apps.deleteApp(appId, at(5));
    await expect(pushes.acceptPush(pushOf(appId))).rejects.toThrow(`no app ${appId}`);
  });

  it('asks for the ref of the newest succeeded push alone, until it has been moved', async () => {
    const { pushes } = parts();
    const appId = await makeApp();
    const unmoved = async () =>
      (await pushes.listUnmovedRefs()).filter((item) => item.appId === appId);
    const [first, second, failed] = [pushOf(appId), pushOf(appId), pushOf(appId)];
    await pushes.acceptPush(first);
    expect(await unmoved()).toEqual([]);
    await end(first.id, 'succeeded');
    expect(await unmoved()).toMatchObject([{ buildId: first.id, sha: first.newSha }]);
    await pushes.acceptPush(second);
    await end(second.id, 'succeeded');
    await pushes.acceptPush(failed);
    await end(failed.id, 'failed');
    const { ref, oldSha } = second;
    expect(await unmoved()).toMatchObject([{ buildId: second.id, ref, oldSha }]);
    await pushes.markRefMoved(second.id, at(30));
    expect(await unmoved()).toEqual([]);
  });

  it('takes the branch whose ref moved first for the deploy branch, whoever moved it, and keeps it', async () => {
    const { pushes, apps } = parts();
    const appId = await makeApp();
    const deployBranch = async () => (await apps.readApp(appId))?.settings.deployBranch;
    for (const [ref, chosen] of [
      ['refs/heads/master', 'master'],
      ['refs/heads/main', 'master'],
    ] as const) {
      const push = pushOf(appId, { ref });
      await pushes.acceptPush(push);
      await end(push.id, 'succeeded');
      await pushes.markRefMoved(push.id, at(30));
      expect(await deployBranch()).toBe(chosen);
    }
  });

  it('moves no ref for a rebuild', async () => {
    const { pushes, queries } = parts();
    const appId = await makeApp();
    const rebuild = pushOf(appId, { movesRef: false, oldSha: null });
    await pushes.acceptPush(rebuild);
    await end(rebuild.id, 'succeeded');
    expect((await pushes.listUnmovedRefs()).filter((item) => item.appId === appId)).toEqual([]);
    expect((await queries.findLatestSucceeded(appId))?.build.id).toBe(rebuild.id);
  });
});
