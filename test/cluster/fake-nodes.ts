/**
 * Nodes without a machine, for tests of scale: kwok answers for their kubelets, on the cluster's own control plane.
 * Their pods are scheduled, started and ended like others, but nothing runs in them. A taint keeps other pods away.
 * A Job's pod ends at once; a builder's has a log, and runs until `fake-builders.ts` lets it end.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../parts/until.ts';
import { fakeBuilderStages, fakeLogs } from './fake-builder-stages.ts';
import type { NodeArchitecture } from './layout.ts';
import { isReady, Node } from './node-list.ts';
import { isRunning, startProcess } from './processes.ts';
import type { Cluster } from './start-cluster.ts';
import { buildTool, dependencyFolder } from './tools.ts';

/** What a pod has to tolerate to be put onto a fake node. */
export const fakeNodeTaint = {
  key: 'kwok.x-k8s.io/node',
  value: 'fake',
  effect: 'NoSchedule',
} as const;

const processName = 'kwok';
/** Those that come with kwok: a node is ready, a pod runs, a deleted pod goes. */
const stages = [
  'node/fast/node-initialize.yaml',
  'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
  'pod/fast/pod-ready.yaml',
  'pod/fast/pod-delete.yaml',
];
/** Where the API server finds the logs of their pods: at one kubelet for all. */
const kubeletPort = 10_245;
const requestsAtOnce = 20;
const inotifyLimit = '/proc/sys/fs/inotify/max_user_instances';
const followers = 4096;
const kwokConfiguration = {
  apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
  kind: 'KwokConfiguration',
  options: {
    // Those that serve logs.
    enableDebuggingHandlers: true,
    nodeLeaseParallelism: requestsAtOnce,
    nodePlayStageParallelism: requestsAtOnce,
    podPlayStageParallelism: requestsAtOnce,
  },
};

/** Adds ready nodes of the architecture and answers their names: `fake-ARCHITECTURE-1` and on. */
export async function addFakeNodes(
  cluster: Cluster,
  { count, architecture = 'amd64' }: { count: number; architecture?: NodeArchitecture },
): Promise<string[]> {
  await startKwok(cluster);
  const names = Array.from({ length: count }, (_, at) => `fake-${architecture}-${at + 1}`);
  await inTurns(names, async (name) => {
    const { status, body } = await cluster.api.send(
      'POST',
      '/api/v1/nodes',
      fakeNode(name, architecture),
    );
    if (status !== 201 && status !== 409) throw new Error(`${name}: ${JSON.stringify(body)}`);
  });
  // One after the other, since the last is ready soon after the first, and to ask often would slow them down.
  for (const name of names) await until(`${name} takes pods`, () => takesPods(cluster, name));
  return names;
}

/** Takes all fake nodes away again. */
export async function removeFakeNodes({ api }: Cluster): Promise<void> {
  await api.send('DELETE', `/api/v1/nodes?labelSelector=${encodeURIComponent('type=kwok')}`);
}

/** A ready node is still tainted for a moment, and kwok sees to its pods only once it holds the node's lease. */
async function takesPods({ api }: Cluster, name: string): Promise<boolean> {
  const { status, body } = await api.send('GET', `/api/v1/nodes/${name}`);
  if (status !== 200) return false;
  const node = Node.parse(body);
  if (!isReady(node) || node.spec.taints.length > 1) return false;
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  return (await api.send('GET', `${leases}/${name}`)).status === 200;
}

async function startKwok({ folder, kubeconfig, registry }: Cluster): Promise<void> {
  if (await isRunning(folder, processName)) return;
  const stageFolder = join(await dependencyFolder('kwok', 'sigs.k8s.io/kwok'), 'kustomize/stage');
  const home = join(folder, processName);
  await allowFollowers();
  await mkdir(home, { recursive: true });
  const config = join(home, 'config.yaml');
  const complete = await readFile(join(stageFolder, 'pod/fast/pod-complete.yaml'), 'utf8');
  const documents = [kwokConfiguration, ...fakeBuilderStages(complete), await fakeLogs(home)];
  await writeFile(config, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  const [address = ''] = registry.split(':');
  const command = [
    await buildTool('kwok'),
    `--kubeconfig=${kubeconfig}`,
    '--manage-all-nodes=false',
    '--manage-nodes-with-label-selector=type=kwok',
    // Renewed well before the controller manager gives a node up, which it does after 50 s.
    '--node-lease-duration-seconds=40',
    `--server-address=${address}:${kubeletPort}`,
    `--node-ip=${address}`,
    `--node-port=${kubeletPort}`,
    `--config=${config}`,
    ...stages.map((stage) => `--config=${join(stageFolder, stage)}`),
  ];
  await startProcess(folder, { name: processName, command, env: { HOME: home } });
}

/** Whoever follows a log of theirs costs kwok one; those beyond the limit are refused. */
async function allowFollowers(): Promise<void> {
  // Restored by nobody: another program may have come to need it meanwhile.
  if (Number(await readFile(inotifyLimit, 'utf8')) < followers)
    await writeFile(inotifyLimit, String(followers));
}

function fakeNode(name: string, architecture: NodeArchitecture): unknown {
  const labels = {
    type: 'kwok',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  };
  const capacity = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110' };
  return {
    metadata: { name, labels, annotations: { 'kwok.x-k8s.io/node': 'fake' } },
    spec: { taints: [fakeNodeTaint] },
    status: {
      allocatable: capacity,
      capacity,
      nodeInfo: { architecture, operatingSystem: 'linux' },
    },
  };
}

async function inTurns<T>(values: readonly T[], work: (value: T) => Promise<void>): Promise<void> {
  const rest = values.values();
  const worker = async () => {
    for (const value of rest) await work(value);
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, worker));
}
