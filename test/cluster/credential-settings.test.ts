/** A service that knows no password: a program of the machine says who pushes, and another user may read base images. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { otherLogin, registryLogin, startRegistry, type TestRegistry } from '../parts/registry.ts';
import { until } from '../parts/until.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { objectsOf, push, startPush } from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let folder: string;
let cluster: Cluster;
let registry: TestRegistry;
let hephy: HephyOnCluster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-credentials-'));
  cluster = await startCluster({ arm64: false });
  registry = await startRegistry({ login: true, address: cluster.registry.split(':')[0] });
  const program = join(folder, 'docker-credential-test');
  const { username: Username, password: Secret } = registryLogin;
  await writeFile(program, `#!/bin/sh\necho '${JSON.stringify({ Username, Secret })}'\n`);
  await chmod(program, 0o755);
  const auth = Buffer.from(`${otherLogin.username}:${otherLogin.password}`).toString('base64');
  hephy = await startHephyOn(cluster, {
    PATH: `${folder}:${process.env['PATH']}`,
    HEPHY_REGISTRY: `${registry.host}/apps`,
    HEPHY_REGISTRY_CREDENTIAL_HELPER: 'test',
    HEPHY_BUILDER_PULL_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }),
    HEPHY_BUILDER_DISK: '1Gi',
    HEPHY_BUILDER_SERVICE_ACCOUNT: 'puller',
    HEPHY_IMAGE_PULL_SECRETS: 'mirror',
  });
  const accounts = `/api/v1/namespaces/${hephy.namespace}/serviceaccounts`;
  await cluster.api.send('POST', accounts, { metadata: { name: 'puller' } });
});
afterAll(async () => {
  await hephy?.close();
  await registry?.stop();
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});
showLogOnFailure(() => hephy);

const Pods = z.object({ items: z.array(z.object({ spec: z.unknown() })) });

async function podOf(app: string): Promise<unknown> {
  const selector = encodeURIComponent(`hephy-builder/app=${app}`);
  const path = `/api/v1/namespaces/${hephy.namespace}/pods?labelSelector=${selector}`;
  return Pods.parse(await cluster.api.get(path)).items[0]?.spec;
}

const credentials = () => Promise.resolve(registryLogin);

async function commitApp(name: string, dockerfile: string): Promise<WorkTree> {
  const app = await hephy.createApp(name, { platforms: ['linux/amd64'] });
  await app.commit({ Dockerfile: dockerfile });
  return app;
}

test('images are pushed with what a program says, and built from private ones with another user', async () => {
  const base = await commitApp('base', `FROM ${cluster.images.base}\nRUN echo base\n`);
  expect(await push(base)).toMatchObject({ exitCode: 0 });
  const steps = 'RUN cat /kaniko/.docker/config.json; echo; echo looked';
  const shop = await commitApp('shop', `FROM ${registry.host}/apps/base:latest\n${steps}\n`);
  const { exitCode, stderr } = await push(shop);
  expect(exitCode).toBe(0);
  const { username, password } = registryLogin;
  const secret = Buffer.from(`${username}:${password}`).toString('base64');
  expect(stderr).toContain('"auths"');
  expect(stderr).not.toContain(secret);
  const client = createRegistryClient({ registry: registry.host, plainHttp: true, credentials });
  expect(await client.headManifest('apps/shop', 'latest')).toBeDefined();
  await client.close();
  await until('no Secret of a build is left', async () => {
    const left = await objectsOf({ cluster, hephy });
    return left.every((name) => !name.startsWith('secrets/'));
  });
});

test('pods of builds are what the settings say, and have no token of the cluster', async () => {
  const app = await commitApp('pods', `FROM ${cluster.images.base}\nRUN echo pods\n`);
  const pushing = startPush(app);
  const limits = { 'ephemeral-storage': '1Gi' };
  expect(await until('its pod', () => podOf('pods'))).toMatchObject({
    serviceAccountName: 'puller',
    automountServiceAccountToken: false,
    imagePullSecrets: [{ name: 'mirror' }],
    initContainers: [{ name: 'source' }, { name: 'build', resources: { limits } }],
    containers: [{ name: 'push' }],
  });
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
});
