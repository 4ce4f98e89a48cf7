/**
 * Nodes without a machine, for tests of scale: kwok answers for their kubelets, on the cluster's own control plane.
 * Their pods are scheduled, started and ended like others, but nothing runs in them. A taint keeps other pods away.
 * A Job's pod ends at once; a builder's has a log, and runs until `fake-builders.ts` lets it end.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { until } from '../parts/until.ts';
import { fakeBuilderStages, fakeLogs } from './fake-builder-stages.ts';
import type { NodeArchitecture } from './layout.ts';
import { isReady, NodeList } from './node-list.ts';
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

const fakeNodes = new URLSearchParams({ labelSelector: 'type=kwok' });

/** As many as a kubelet tells at most: they are what makes a list of nodes long. */
const images = Array.from({ length: 50 }, (_, at) => {
  const name = `registry.example/platform/team-${at % 7}/application-${at}`;
  const digest = `sha256:${String(at).padStart(64, '0')}`;
  return { names: [`${name}@${digest}`, `${name}:2026.11.${at}`], sizeBytes: 100_000_000 + at };
});

/** Adds ready nodes of the architecture and answers their names: `fake-ARCHITECTURE-1` and on. */
export async function addFakeNodes(
  cluster: Cluster,
  { count, architecture = 'amd64' }: { count: number; architecture?: NodeArchitecture },
): Promise<string[]> {
  await startKwok(cluster);
  const names = Array.from({ length: count }, (_, at) => `fake-${architecture}-${at + 1}`);
  const address = hostOf(cluster);
  await inTurns(names, async (name) => {
    const node = fakeNode({ name, architecture, address });
    const { status, body } = await cluster.api.send('POST', '/api/v1/nodes', node);
    if (status !== 201 && status !== 409) throw new Error(`${name}: ${JSON.stringify(body)}`);
  });
  if (!cluster.trustsNodes) {
    await until(`kwok holds ${architecture} nodes`, () => areHeld(cluster, names));
    await until(`${architecture} nodes take pods`, () => takePods(cluster, names));
  }
  return names;
}

/** Takes all fake nodes away again. */
export async function removeFakeNodes({ api }: Cluster): Promise<void> {
  await api.send('DELETE', `/api/v1/nodes?${fakeNodes.toString()}`);
}

const Leases = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

/** kwok sees to a node's pods only once it holds the node's lease. */
async function areHeld({ api }: Cluster, names: readonly string[]): Promise<boolean> {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  const { items } = Leases.parse(await api.get(leases));
  const held = new Set(items.map(({ metadata }) => metadata.name));
  return names.every((name) => held.has(name));
}

/** A ready node is still tainted for a moment. */
async function takePods({ api }: Cluster, names: readonly string[]): Promise<boolean> {
  const { items } = NodeList.parse(await api.get(`/api/v1/nodes?${fakeNodes.toString()}`));
  const ready = items.filter((node) => isReady(node) && node.spec.taints.length === 1);
  const taking = new Set(ready.map(({ metadata }) => metadata.name));
  return names.every((name) => taking.has(name));
}

async function startKwok(cluster: Cluster): Promise<void> {
  const { folder, kubeconfig } = cluster;
  if (await isRunning(folder, processName)) return;
  const stageFolder = join(await dependencyFolder('kwok', 'sigs.k8s.io/kwok'), 'kustomize/stage');
  const home = join(folder, processName);
  await allowFollowers();
  await mkdir(home, { recursive: true });
  const config = join(home, 'config.yaml');
  const complete = await readFile(join(stageFolder, 'pod/fast/pod-complete.yaml'), 'utf8');
  const documents = [kwokConfiguration, ...fakeBuilderStages(complete), await fakeLogs(home)];
  await writeFile(config, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  const address = hostOf(cluster);
  const command = [
    await buildTool('kwok'),
    `--kubeconfig=${kubeconfig}`,
    '--manage-all-nodes=false',
    '--manage-nodes-with-label-selector=type=kwok',
    // Renewed well before the controller manager gives a node up, which it does after 50 s. 0: there is none.
    `--node-lease-duration-seconds=${cluster.trustsNodes ? 0 : 40}`,
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

interface NodeToFake {
  readonly name: string;
  readonly architecture: NodeArchitecture;
  readonly address: string;
}

/** Ready from the start: a thousand are slow to write twice. */
function fakeNode({ name, architecture, address }: NodeToFake): unknown {
  const labels = {
    type: 'kwok',
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
  };
  const capacity = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '1Ti', pods: '110' };
  return {
    metadata: { name, labels },
    spec: { taints: [fakeNodeTaint] },
    status: {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      allocatable: capacity,
      capacity,
      conditions: nodeConditions(),
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      images,
      nodeInfo: { architecture, operatingSystem: 'linux' },
      phase: 'Running',
    },
  };
}

function nodeConditions(): unknown[] {
  const now = new Date().toISOString();
  const times = { lastHeartbeatTime: now, lastTransitionTime: now };
  const pressures = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];
  return [
    ...pressures.map((type) => ({ type, status: 'False', reason: 'KubeletHasEnough', ...times })),
    { type: 'Ready', status: 'True', reason: 'KubeletReady', ...times },
  ];
}

function hostOf({ registry }: Cluster): string {
  return registry.split(':', 1)[0] ?? '';
}

async function inTurns<T>(values: readonly T[], work: (value: T) => Promise<void>): Promise<void> {
  const rest = values.values();
  const worker = async () => {
    for (const value of rest) await work(value);
  };
  await Promise.all(Array.from({ length: requestsAtOnce }, worker));
}
