/** What a push is told before anything starts, in a cluster of its own: its nodes come and go. */
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runGitClient, startGitClient, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { pushImage } from '../parts/images.ts';
import { registryLogin, startRegistry, type TestRegistry } from '../parts/registry.ts';
import { runHephy } from '../parts/run-hephy.ts';
import { until } from '../parts/until.ts';
import { addFakeNodes, removeFakeNodes } from './fake-nodes.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { startCluster, type Cluster } from './start-cluster.ts';
import { askedBy } from './used-rights.ts';

const fakeArm = 'fake-arm64-1';
const silentArm = 'silent-arm64';
let cluster: Cluster;
let hephy: HephyOnCluster;
let images: RegistryClient;
let base: string;
let since: Date;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false, number: 103 });
  hephy = await startHephyOn(cluster);
  images = createRegistryClient({ registry: cluster.registry, plainHttp: true });
  base = cluster.images.base;
  since = new Date();
});
afterEach(async () => {
  await removeFakeNodes(cluster);
  await cluster.api.send('DELETE', `/api/v1/nodes/${silentArm}`);
});
afterAll(async () => {
  await images?.close();
  await hephy?.close();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

async function makeApp(name: string, settings: object, dockerfile: string): Promise<WorkTree> {
  const app = await hephy.createApp(name, settings);
  await app.commit({ Dockerfile: dockerfile, 'a.txt': name });
  return app;
}

/** What a refused push says, and that no KubeJob was asked for. The time is from `git push` to its end. */
async function refusal({ path }: WorkTree, of = { service: hephy, since }): Promise<string> {
  const begunMs = performance.now();
  const { stderr, exitCode } = await runGitClient(['push', 'deis', 'main'], { cwd: path });
  const tookMs = Math.round(performance.now() - begunMs);
  process.stderr.write(`refused after ${tookMs} ms: ${/remote rejected.*/.exec(stderr)?.[0]}\n`);
  expect(exitCode).toBe(1);
  expect(await createdJobs(of)).toEqual([]);
  return stderr;
}

async function createdJobs(of: { service: HephyOnCluster; since: Date }): Promise<unknown[]> {
  const asked = await askedBy({ namespace: of.service.namespace, since: of.since }, cluster);
  return asked.filter(({ right }) => right === 'batch/jobs create');
}

const patchFakeArm = (spec: object) =>
  cluster.api.send('PATCH', `/api/v1/nodes/${fakeArm}`, { spec });
/** A node whose kubelet never says a word. */
const addSilentArm = () =>
  cluster.api.send('POST', '/api/v1/nodes', {
    metadata: {
      name: silentArm,
      labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' },
    },
  });
const arm = { platforms: ['linux/amd64', 'linux/arm64'] };

test('a platform that no node is', async () => {
  const app = await makeApp('none', arm, `FROM ${base}\n`);
  expect(await refusal(app)).toContain(
    'linux/arm64 is not native here; add a node of that architecture, drop the platform, or set requireNativeNodes to false: its nodes are linux/amd64 (build 1)',
  );
});

test('the platforms are those that nodes are of, with a reason where none takes builds', async () => {
  const [fakeAmd = ''] = await addFakeNodes(cluster, { count: 1 });
  await cluster.api.send('PATCH', `/api/v1/nodes/${fakeAmd}`, { spec: { taints: [] } });
  await addSilentArm();
  // A worker looks as it starts.
  await hephy.end('SIGTERM');
  await hephy.start();
  const seen = await until('both platforms', async () => {
    const { body } = await hephy.call('GET', '/v1/platforms');
    const { platforms } = body as { platforms: { nodes: number }[] };
    return platforms.length === 2 && platforms[0]?.nodes === 2 && body;
  });
  expect(seen).toMatchObject({
    available: ['linux/amd64'],
    platforms: [
      { platform: 'linux/amd64', nodes: 2, readyNodes: 2, failure: null },
      {
        platform: 'linux/arm64',
        nodes: 1,
        readyNodes: 0,
        failure: {
          reason: 'NodesUnavailable',
          sentence: `no node takes the linux/arm64 builder: ${silentArm} is not ready`,
        },
      },
    ],
  });
  const { stdout } = await runHephy(['platforms'], { cwd: hephy.folder, hephy });
  expect(stdout).toContain(`${silentArm} is not ready\n`);
});

test('a platform whose only node has a taint, is cordoned, or does not answer', async () => {
  const app = await makeApp('untaken', arm, `FROM ${base}\n`);
  await addFakeNodes(cluster, { count: 1, architecture: 'arm64' });
  expect(await refusal(app)).toContain(
    `no node takes the linux/arm64 builder: ${fakeArm} has the taint kwok.x-k8s.io/node=fake (build 1)`,
  );
  await patchFakeArm({ taints: [], unschedulable: true });
  expect(await refusal(app)).toContain(`${fakeArm} is cordoned (build 2)`);
  await removeFakeNodes(cluster);
  await addSilentArm();
  expect(await refusal(app)).toContain(`${silentArm} is not ready (build 3)`);
});

test('a base image that lacks the platform', async () => {
  await pushImage(images, {
    repository: 'alone',
    tag: '1',
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const settings = { ...arm, requireNativeNodes: false };
  const dockerfile = `ARG OF=alone\nFROM ${cluster.registry}/$OF:1\nCOPY a.txt /\n`;
  const alone = `${cluster.registry}/alone`;
  expect(await refusal(await makeApp('lacking', settings, dockerfile))).toContain(
    `linux/arm64 base image cannot be used: ${alone}:1 (line 2) in ${alone} is for linux/amd64, and not for linux/arm64; without it: hephy apps set platforms=linux/amd64 (build 1)`,
  );
});

test('a base image that is not there, and a Dockerfile without one', async () => {
  const amd = { platforms: ['linux/amd64'] };
  const missing = await makeApp('missing', amd, `FROM ${cluster.registry}/typo\n`);
  expect(await refusal(missing)).toContain(
    `linux/amd64 base image cannot be used: ${cluster.registry}/typo (line 1) is not in ${cluster.registry}/typo (build 1)`,
  );
  const without = await makeApp('without', amd, 'RUN true\n');
  expect(await refusal(without)).toContain(
    'the Dockerfile cannot be built: Dockerfile: it has no FROM line (build 1)',
  );
});

test('builders whose password is wrong', async () => {
  let registry: TestRegistry | undefined;
  let service: HephyOnCluster | undefined;
  try {
    registry = await startRegistry({ login: true, address: cluster.registry.split(':')[0] });
    service = await startHephyOn(cluster, {
      HEPHY_REGISTRY: registry.host,
      HEPHY_REGISTRY_USERNAME: registryLogin.username,
      HEPHY_REGISTRY_PASSWORD: registryLogin.password,
      HEPHY_BUILDER_USERNAME: registryLogin.username,
      HEPHY_BUILDER_PASSWORD: 'wrong',
    });
    const app = await service.createApp('denied', { platforms: ['linux/amd64'] });
    await app.commit({ Dockerfile: `FROM scratch\nCOPY a.txt /\n`, 'a.txt': 'a' });
    const said = await refusal(app, { service, since });
    expect(said).toMatch(
      /the registry refused our credentials \(401\): builders: \S+ answered 401 to POST \/v2\/denied\/blobs\/uploads\/.* \(build 1\)/,
    );
    expect(said).not.toContain('wrong');
  } finally {
    await service?.close();
    await registry?.stop();
  }
});

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({ nodeName: z.string().optional() }),
      status: z.object({
        conditions: z.array(z.object({ reason: z.string().optional() })).optional(),
      }),
    }),
  ),
});

async function podsOf(app: string) {
  const path = `/api/v1/namespaces/${hephy.namespace}/pods`;
  const { items } = Pods.parse(await cluster.api.get(path));
  return items.filter(({ metadata }) => metadata.labels['hephy-builder/app'] === app);
}

/** The nodes of the app's pods; undefined before a pod has one. */
async function nodesOf(app: string): Promise<(string | undefined)[]> {
  return (await podsOf(app)).map(({ spec }) => spec.nodeName);
}

test('a node that comes later is waited for by a pod, and takes the build', async () => {
  const settings = { platforms: ['linux/arm64'], waitForNodesSeconds: 120 };
  const waiting = await makeApp('waiting', settings, `FROM ${base}\n`);
  const pushing = startGitClient(['push', 'deis', 'main'], { cwd: waiting.path });
  await until('a pod that no node takes', async () => {
    const [pod] = await podsOf('waiting');
    return pod?.status.conditions?.some(({ reason }) => reason === 'Unschedulable');
  });
  await addFakeNodes(cluster, { count: 1, architecture: 'arm64' });
  await patchFakeArm({ taints: [] });
  await until('the node', async () => (await nodesOf('waiting')).includes(fakeArm));
  pushing.interrupt();
  expect((await pushing.result).stderr).toContain(
    'warning: no ready node takes linux/arm64 now (its nodes are linux/amd64); its build waits up to 2m 00s for one',
  );
  await until('no pod of the build that was left', async () => {
    return (await podsOf('waiting')).length === 0;
  });
});

test('a node that never comes is waited for no longer than the app says', async () => {
  const settings = { platforms: ['linux/arm64'], waitForNodesSeconds: 3 };
  const app = await makeApp('vainly', settings, `FROM ${base}\n`);
  const { stderr, exitCode } = await runGitClient(['push', 'deis', 'main'], { cwd: app.path });
  expect(stderr).toMatch(
    /no node takes the linux\/arm64 builder: 0\/1 nodes are available.* \(build 1\)/,
  );
  expect(exitCode).toBe(1);
  await until('no pods', async () => (await nodesOf('vainly')).length === 0);
});

test('where nodes need not be native, what only copies files is built on another one', async () => {
  const app = await makeApp(
    'foreign',
    { ...arm, requireNativeNodes: false },
    `FROM ${base}\nCOPY a.txt /\n`,
  );
  const [pushed] = await Promise.all([
    runGitClient(['push', 'deis', 'main'], { cwd: app.path }),
    until('both pods', async () => {
      const nodes = await nodesOf('foreign');
      return nodes.length === 2 && nodes.every((node) => node === 'node-amd64');
    }),
  ]);
  expect(pushed.stderr).toContain(
    'warning: no ready node takes linux/arm64 now (its nodes are linux/amd64); on another one RUN steps fail, COPY-only Dockerfiles work',
  );
  expect(pushed).toMatchObject({ exitCode: 0 });
  const index = await images.getManifest('foreign', 'latest');
  const { manifests } = JSON.parse(Buffer.from(index?.bytes ?? []).toString()) as {
    manifests: { platform: { architecture: string } }[];
  };
  expect(manifests.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64']);
});
