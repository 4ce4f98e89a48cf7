import { AppSettings, type App } from '@hephy/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApps, type Apps } from './apps.ts';
import { at, makeGround } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { usePostgres, recordsOf } from './open-for-test.ts';
import { createUsers } from './users.ts';

const postgres = usePostgres();
let opened: OpenDatabase;
let apps: Apps;
beforeAll(async () => {
  opened = await postgres.openMigrated();
  apps = createApps(opened.db);
});
afterAll(async () => opened.close());

const settings = AppSettings.parse({ hookUrl: 'https://hooks.test/deis' });
let ids = 0;
const appNamed = (name: string): App => ({
  id: `app-id-${(ids += 1)}`,
  name,
  settings,
  createdAt: at(0),
});

describe('apps', () => {
  it('are found by id and by name, with settings completed by defaults', async () => {
    const app = appNamed('found');
    expect(await apps.createApp(app)).toEqual({ ok: true });
    expect(await apps.readApp(app.id)).toEqual(app);
    expect(await apps.findApp('found')).toEqual(app);
    expect(await apps.findApp('lost')).toBeUndefined();
    await opened.db
      .updateTable('apps')
      .set({ settings: '{"movingTag": null}' })
      .where('id', '=', app.id)
      .execute();
    const filled = { ...AppSettings.parse({}), movingTag: null };
    expect((await apps.readApp(app.id))?.settings).toEqual(filled);
  });

  it('have a name of their own, also when two are made side by side', async () => {
    const [one, two] = [appNamed('twice'), appNamed('twice')];
    const answers = await Promise.all([apps.createApp(one), apps.createApp(two)]);
    expect(answers).toContainEqual({ ok: true });
    expect(answers).toContainEqual({ ok: false, why: 'NameTaken' });
  });

  it('take new settings', async () => {
    const app = appNamed('changed');
    await apps.createApp(app);
    const next = { ...settings, platforms: ['linux/arm64'], deployBranch: 'main' };
    expect(await apps.updateSettings(app.id, next)).toBe(true);
    expect((await apps.readApp(app.id))?.settings).toEqual(next);
    expect(await apps.updateSettings('nobody', next)).toBe(false);
  });

  it('give their hook away only with its secret, and the secret nowhere else', async () => {
    const app = appNamed('hooked');
    await apps.createApp(app);
    expect(await apps.readHook(app.id)).toBeNull();
    expect(await apps.setHookSecret(app.id, 'whsec_x')).toBe(true);
    expect(await apps.readHook(app.id)).toEqual({ url: settings.hookUrl, secret: 'whsec_x' });
    expect(JSON.stringify(await apps.listApps({ limit: 100 }))).not.toContain('whsec_x');
    await apps.updateSettings(app.id, { ...settings, hookUrl: null });
    expect(await apps.readHook(app.id)).toBeNull();
  });

  it('are not deleted while a build runs, and go on counting when made again', async () => {
    const ground = makeGround(recordsOf(opened));
    const { id, appId, appName } = await ground.seed();
    expect(await apps.deleteApp(appId, at(1))).toEqual({ ok: false, why: 'Busy' });
    await ground.change(id, { state: 'succeeded', release: true });
    expect(await apps.deleteApp(appId, at(1))).toEqual({ ok: true });
    expect(await apps.deleteApp(appId, at(1))).toEqual({ ok: false, why: 'NotFound' });
    expect(await apps.findApp(appName)).toBeUndefined();
    expect((await ground.read(id)).build.appName).toBe(appName);
    const again = appNamed(appName);
    expect(await apps.createApp(again)).toEqual({ ok: true });
    const next = await ground.seed({ appId: again.id, appName, number: 2 });
    await ground.change(next.id, { state: 'succeeded', release: true });
    expect((await ground.read(next.id)).release?.version).toBe(2);
  });
});

describe('members', () => {
  it('hold one right each, which is changed by granting and ended by revoking', async () => {
    const users = createUsers(opened.db);
    const app = appNamed('shared');
    await apps.createApp(app);
    await users.createUser({ id: 'u-bob', name: 'bob', operator: false, createdAt: at(0) });
    const held = { appId: app.id, userId: 'u-bob' };
    expect(await apps.rightOf('u-bob', app.id)).toBeUndefined();
    await apps.grant({ ...held, right: 'reader' });
    await apps.grant({ ...held, right: 'deployer' });
    expect(await apps.rightOf('u-bob', app.id)).toBe('deployer');
    const member = { userId: 'u-bob', userName: 'bob', right: 'deployer' };
    expect(await apps.listMembers(app.id)).toEqual([member]);
    expect(await apps.listApps({ memberId: 'u-bob', limit: 10 })).toEqual([app]);
    expect(await apps.revoke(held)).toBe(true);
    expect(await apps.revoke(held)).toBe(false);
    expect(await apps.listApps({ memberId: 'u-bob', limit: 10 })).toEqual([]);
  });

  it('lists apps by name, page by page', async () => {
    const all = await apps.listApps({ limit: 100 });
    const [first, second] = all;
    expect(await apps.listApps({ limit: 1 })).toEqual([first]);
    expect(await apps.listApps({ after: first?.name ?? '', limit: 1 })).toEqual([second]);
  });
});
