import { createPlatforms } from '@hephy/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, settle, startRig, type Rig } from './test-rig.ts';

let rig: Rig;
let token: string;
beforeAll(async () => {
  rig = await startRig();
  ({ token } = (await settle(rig)).people.stranger);
});
afterAll(async () => rig.stop());

const ask = { method: 'GET', url: '/v1/platforms' } as const;

it('tells any user what can be built for, as a worker saw it last, and why the rest cannot be', async () => {
  const amd64 = { platform: 'linux/amd64', nodes: 2, readyNodes: 2, failure: null };
  const platform = 'linux/arm64';
  const failure = { reason: 'NodesUnavailable', platform, detail: 'a is not ready' } as const;
  await createPlatforms(rig.database.db).recordPlatforms({
    platforms: [amd64, { platform, nodes: 1, readyNodes: 0, failure }],
    seenAt: new Date(0),
  });
  expect((await send(rig.server, { ...ask, token })).json()).toMatchObject({
    available: ['linux/amd64'],
    platforms: [
      amd64,
      {
        platform,
        nodes: 1,
        readyNodes: 0,
        failure: {
          reason: 'NodesUnavailable',
          sentence: 'no node takes the linux/arm64 builder: a is not ready',
        },
      },
    ],
    seenAt: '1970-01-01T00:00:00.000Z',
  });
});

it('is what an app is made for that does not say', async () => {
  const made = await send(rig.server, {
    method: 'POST',
    url: '/v1/apps',
    token,
    body: { name: 'unsaid' },
  });
  expect(made.json().settings.platforms).toEqual(['linux/amd64']);
});

it('tells nobody without a token', async () => {
  expect((await send(rig.server, ask)).statusCode).toBe(401);
});
