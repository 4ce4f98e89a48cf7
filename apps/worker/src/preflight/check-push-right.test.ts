import { createRegistryClient, type RegistryCredentials } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy } from '../../../../test/parts/fault-proxy.ts';
import { registryLogin, startRegistry } from '../../../../test/parts/registry.ts';
import type { TestRegistry } from '../../../../test/parts/registry.ts';
import { createPushRightCheck } from './check-push-right.ts';
import { buildFor } from './preflight-parts-for-test.ts';

let registry: TestRegistry;
let proxy: FaultProxy;
beforeAll(async () => {
  registry = await startRegistry({ login: true });
  proxy = await startFaultProxy({ upstream: registry.host });
});
afterAll(async () => {
  await proxy?.stop();
  await registry?.stop();
});

const inTime = (): AbortSignal => AbortSignal.timeout(10_000);

function check(login: RegistryCredentials = registryLogin, signal = inTime()) {
  const checkPushRight = createPushRightCheck(() =>
    createRegistryClient({
      registry: proxy.host,
      credentials: async () => login,
      limits: { attempts: 1 },
    }),
  );
  return checkPushRight(buildFor({ repository: `${proxy.host}/apps/shop` }), signal);
}

test('builders that may push pass', async () => {
  proxy.script();
  expect(await check()).toEqual({ ok: true, warnings: [] });
  const upload = expect.objectContaining({ path: '/v2/apps/shop/blobs/uploads/' }) as object;
  expect(proxy.requests).toContainEqual(upload);
});

test('builders with a wrong password are refused', async () => {
  proxy.script();
  expect(await check({ ...registryLogin, password: 'wrong' })).toMatchObject({
    ok: false,
    failure: {
      reason: 'RegistryUnauthorized',
      detail: expect.stringMatching(/^builders: \S+ answered 401 to POST .*apps\/shop/) as string,
    },
  });
});

test.each([403, 404])('builders whom the registry answers %i are refused', async (status) => {
  proxy.script({ method: 'POST', do: 'answer', status });
  expect(await check()).toMatchObject({ ok: false, failure: { reason: 'PushDenied' } });
});

test('a registry that answers 503 is left to the build', async () => {
  proxy.script({ method: 'POST', do: 'answer', status: 503 });
  const answer = await check();
  expect(answer).toMatchObject({ ok: true });
  expect(answer.ok && answer.warnings[0]).toMatch(
    /^the right to push to \S+\/apps\/shop could not be tried \(.* answered 503/,
  );
});

test('a registry that is silent is left to the build', async () => {
  proxy.script({ method: 'POST', do: 'hang' });
  expect(await check(registryLogin, AbortSignal.timeout(50))).toEqual({
    ok: true,
    warnings: [
      `the right to push to ${proxy.host}/apps/shop could not be tried (no answer in time)`,
    ],
  });
});
