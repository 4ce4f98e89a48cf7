/** Pushes of Dockerfiles that are after the registry's password, to a service that was told one and nothing else. */
import { createRegistryClient, verifyChild } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showLogOnFailure } from '../parts/hephy.ts';
import { registryLogin, startRegistry, type TestRegistry } from '../parts/registry.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { push } from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let registry: TestRegistry;
let hephy: HephyOnCluster;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  registry = await startRegistry({ login: true, address: cluster.registry.split(':')[0] });
  hephy = await startHephyOn(cluster, { HEPHY_REGISTRY: `${registry.host}/apps` }, registryLogin);
});
afterAll(async () => {
  await hephy?.close();
  await registry?.stop();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const credentials = () => Promise.resolve(registryLogin);

async function pushApp(name: string, step: string) {
  const app = await hephy.createApp(name, { platforms: ['linux/amd64'] });
  await app.commit({ Dockerfile: `FROM ${cluster.images.base}\nRUN ${step}\n` });
  return push(app);
}

test("the publisher's password is nowhere where a step looks, and the image is published", async () => {
  const everything = 'env; cat /proc/*/environ; cat /kaniko/.docker/*; find /hephy';
  const pushed = await pushApp('curious', `${everything}; echo looked`);
  expect(pushed).toMatchObject({ exitCode: 0 });
  expect(pushed.stderr).toMatch(/looked$/m);
  const { username, password } = registryLogin;
  expect(pushed.stderr).not.toContain(password);
  expect(pushed.stderr).not.toContain(Buffer.from(`${username}:${password}`).toString('base64'));
  expect(pushed.stderr).not.toMatch(/\] \/hephy/);
  const client = createRegistryClient({ registry: registry.host, plainHttp: true, credentials });
  const digest = (await client.headManifest('apps/curious', 'latest'))?.digest ?? '';
  const child = { repository: 'apps/curious', digest, platform: 'linux/amd64' };
  expect(await verifyChild(child, { client })).toMatchObject({ ok: true });
  await client.close();
});

test('an image that a step has tampered with rejects the push, and nothing is published', async () => {
  const pushed = await pushApp('tampering', 'echo x > /kaniko/layout/x');
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain(
    'main -> main (linux/amd64 build left no valid image: x is not of the image (build 1))',
  );
});
