import { afterAll, beforeAll, expect, it } from 'vitest';
import { send, settle, startRig, type Rig } from './test-rig.ts';

let rig: Rig;
let token: string;
beforeAll(async () => {
  rig = await startRig();
  token = (await settle(rig)).people.owner.token;
  await rig.server.ready();
});
afterAll(async () => rig.stop());

const app = '/v1/apps/shop';
const patch = (settings: object) =>
  send(rig.server, { method: 'PATCH', url: app, token, body: { settings } });

it('takes what an app asks of its builder, and leaves the rest to the builder', async () => {
  const asked = { compression: 'zstd', cacheRepository: '${REPOSITORY}/cache-${ARCH}' };
  const answer = await patch(asked);
  expect(answer.json().settings).toMatchObject({ ...asked, imageFormat: null });
  const read = await send(rig.server, { method: 'GET', url: app, token });
  expect(read.json().settings).toMatchObject(asked);
});

it.each([
  [{ compression: 'zstd', imageFormat: 'docker' }, '/settings/compression', 'no zstd layers'],
  [{ compression: 'gzip', compressionLevel: 12 }, '/settings/compressionLevel', 'use 1 to 9'],
  [
    { cacheRepository: '${REPOSITORY}/${FOO}-${ARCH}' },
    '/settings/cacheRepository',
    'the placeholder ${FOO}; use ${REPOSITORY}',
  ],
  [
    { cacheRepository: '${REPOSITORY}/Cache-${ARCH}' },
    '/settings/cacheRepository',
    'which is not registry/repository',
  ],
  [
    { cacheRepository: 'registry.test:5000/blog/${ARCH}' },
    '/settings/cacheRepository',
    "not the app's own",
  ],
  [{ snapshotMode: 'none' }, '/settings/snapshotMode', 'full'],
])('answers 400 for %j', async (settings, pointer, message) => {
  const answer = await patch(settings);
  expect(answer.statusCode).toBe(400);
  const [error] = answer.json().errors;
  expect(error).toEqual({ pointer, message: expect.stringContaining(message) });
});
