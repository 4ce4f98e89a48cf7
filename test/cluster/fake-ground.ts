/** Where many builds can run at once: fake nodes of both architectures, a namespace, and what stands in for builders. */
import { kubernetesSettings, makeBuildsNamespace } from './by-hand.ts';
import { standInForBuilders, type FakeBuilders } from './fake-builders.ts';
import { addFakeNodes, fakeNodeTaint } from './fake-nodes.ts';
import type { Cluster } from './start-cluster.ts';

export interface FakeGround {
  readonly namespace: string;
  readonly builders: FakeBuilders;
  /** For the service. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The cluster has to be the caller's own: its real nodes take no pods any more. */
export async function makeFakeGround(
  cluster: Cluster,
  { nodes, concurrency }: { readonly nodes: number; readonly concurrency: number },
): Promise<FakeGround> {
  await cordonRealNodes(cluster);
  await addFakeNodes(cluster, { count: nodes, architecture: 'amd64' });
  await addFakeNodes(cluster, { count: nodes, architecture: 'arm64' });
  const builds = await makeBuildsNamespace(cluster);
  // Nothing runs, so nothing is pulled.
  const settings = await kubernetesSettings(cluster, builds, { image: cluster.images.base });
  const builders = standInForBuilders(cluster, builds.namespace);
  return {
    namespace: builds.namespace,
    builders,
    environment: {
      ...settings,
      HEPHY_BUILDER_TOLERATIONS: `${fakeNodeTaint.key}=${fakeNodeTaint.value}`,
      HEPHY_WORKER_CONCURRENCY: String(concurrency),
    },
    async close() {
      await builders.close();
      await builds.remove();
    },
  };
}

async function cordonRealNodes({ api, nodes }: Cluster): Promise<void> {
  for (const node of nodes) {
    const cordoned = { spec: { unschedulable: true } };
    const { status } = await api.send('PATCH', `/api/v1/nodes/${node}`, cordoned);
    if (status !== 200) throw new Error(`${node} was answered ${status}`);
  }
}
