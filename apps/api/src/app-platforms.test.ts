import type { App } from '@hephy/core';
import { createPlatforms } from '@hephy/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createActors } from './test-actors.ts';
import { send, settle, startRig, type Person, type Rig } from './test-rig.ts';

let rig: Rig;
let town: Awaited<ReturnType<typeof settle>>;
let actors: ReturnType<typeof createActors>;
beforeAll(async () => {
  rig = await startRig();
  town = await settle(rig);
  actors = createActors(rig);
  const nodes = ['linux/amd64', 'linux/arm64'].map((platform) => ({
    platform,
    nodes: 1,
    readyNodes: 1,
    failure: null,
  }));
  const seen = { platforms: nodes, seenAt: new Date(0) };
  await createPlatforms(rig.database.db).recordPlatforms(seen);
});
afterAll(async () => rig.stop());

const ask = (app: string, person: Person = 'reader') =>
  send(rig.server, {
    method: 'GET',
    url: `/v1/apps/${app}/platforms`,
    token: town.people[person].token,
  });

async function release(app: App, basePlatforms: readonly string[] | null): Promise<void> {
  const id = await actors.push(app);
  await actors.start(id, { basePlatforms });
  await actors.build(id);
  await actors.publish(id);
}

it('tells what an app could be built for, from its base images, the nodes and its builds', async () => {
  const app = await town.makeApp('told');
  await rig.apps.updateSettings(app.id, { ...app.settings, platforms: ['linux/amd64'] });
  expect((await ask('told')).json()).toMatchObject({
    baseBuild: null,
    platforms: [
      { platform: 'linux/amd64', inBase: null, medianBuildMs: null, suggested: true },
      { platform: 'linux/arm64', inBase: null, medianBuildMs: null, suggested: false },
    ],
  });

  const basePlatforms = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
  await release(app, basePlatforms);
  const took = expect.any(Number) as number;
  const common = { inBase: true, why: '1 ready node; the base images are for it' };
  const amd64 = { ...common, inSettings: true, readyNodes: 1, suggested: true };
  const told = {
    baseBuild: 1,
    platforms: [
      { ...amd64, platform: 'linux/amd64', medianBuildMs: took },
      { ...amd64, platform: 'linux/arm64', inSettings: false, medianBuildMs: took },
      {
        platform: 'linux/s390x',
        inSettings: false,
        readyNodes: 0,
        inBase: true,
        medianBuildMs: null,
        suggested: false,
        why: 'no node is linux/s390x; the base images are for it',
      },
    ],
  };
  expect((await ask('told')).json()).toEqual(told);

  // One that did not find out leaves what an older one did.
  const later = await actors.push(app);
  await actors.start(later);
  expect((await ask('told')).json()).toEqual(told);
});

it('tells that a newer Dockerfile says nothing', async () => {
  const app = await town.makeApp('scratch');
  await release(app, ['linux/amd64']);
  expect((await ask('scratch')).json()).toMatchObject({ baseBuild: 1 });
  await release(app, null);
  expect((await ask('scratch')).json()).toMatchObject({ baseBuild: 2 });
  const [first] = (await ask('scratch')).json().platforms;
  expect(first).toMatchObject({ inBase: null, suggested: true });
});

it('is for those who may read the app', async () => {
  expect((await ask('shop', 'stranger')).statusCode).toBe(404);
  expect((await ask('shop', 'reader')).statusCode).toBe(200);
});
