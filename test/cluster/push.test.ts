import { join } from 'node:path';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import {
  createWorkTree,
  runGitClient,
  type GitClientResult,
  type WorkTree,
} from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { pushFirstBuild } from './by-hand.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let hephy: HephyOnCluster;
beforeAll(async () => {
  cluster = await startCluster({ arm64: true });
  hephy = await startHephyOn(cluster);
});
afterAll(async () => {
  await hephy?.close();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const push = ({ path }: WorkTree): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main'], { cwd: path });

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
      spec: z.object({ nodeName: z.string().optional() }),
    }),
  ),
});
const listPods = async () =>
  Pods.parse(await cluster.api.get(`/api/v1/namespaces/${hephy.namespace}/pods`)).items;

/** The node of each platform's pod, while they run. */
async function nodesOf(app: string): Promise<Record<string, string>> {
  const nodes = await until('both pods on nodes', async () => {
    const pods = (await listPods()).filter(
      ({ metadata }) => metadata.labels['hephy-builder/app'] === app,
    );
    const placed = pods.flatMap(({ metadata, spec: { nodeName } }) =>
      nodeName ? [[metadata.labels['hephy-builder/platform'], nodeName]] : [],
    );
    return placed.length === 2 && placed;
  });
  return Object.fromEntries(nodes) as Record<string, string>;
}

test('the first push of docs/kubernetes.md becomes two KubeJobs on nodes of their own architecture, and one verified index', async () => {
  const shop = await createWorkTree(join(hephy.folder, 'repositories/shop'));
  await shop.commit({
    Dockerfile: `FROM ${cluster.images.base}\nRUN uname -m > /machine && cat /machine\nCOPY hello.txt /\n`,
    'hello.txt': 'hello\n',
  });
  const [shown, nodes] = await Promise.all([pushFirstBuild(shop, hephy), nodesOf('shop')]);
  expect(shown).toMatch(/\[amd64\] x86_64\s*$/m);
  expect(shown).toMatch(/\[arm64\] aarch64\s*$/m);
  expect(nodes).toEqual({ 'linux-amd64': 'node-amd64', 'linux-arm64': 'node-arm64' });
  const registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
  try {
    const index = await registry.getManifest('shop', 'latest', {});
    const { manifests } = JSON.parse(Buffer.from(index?.bytes ?? []).toString()) as {
      manifests: { platform: { architecture: string } }[];
    };
    expect(manifests.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64']);
  } finally {
    await registry.close();
  }
  await until('nothing left in the namespace', async () => (await listPods()).length === 0);
});

test('a failing step rejects the push and names it, and the other platform is stopped', async () => {
  const broken = await hephy.createApp('broken', { platforms: ['linux/amd64', 'linux/arm64'] });
  const script = 'if [ "$(uname -m)" = x86_64 ]; then echo failing; exit 7; fi; sleep 1000';
  await broken.commit({ Dockerfile: `FROM ${cluster.images.base}\nRUN ${script}\n` });
  const pushed = await push(broken);
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain('main -> main (build failed: linux/amd64 exited 7: RUN if');
  await until('nothing left in the namespace', async () => (await listPods()).length === 0);
});
