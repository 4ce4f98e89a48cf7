/**
 * A real Kubernetes cluster on this machine, for tests. One cluster of a number runs at a time: who asks for it
 * while it runs gets the same one, and the last who stops it ends it. A process that died without stopping does
 * not count; a cluster that was brought up by hand stays.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../parts/until.ts';
import { createApiClient, type ApiClient } from './api-client.ts';
import { freezeArm64 } from './arm64/freeze.ts';
import { joinArm64Node } from './arm64/join-arm64-node.ts';
import { bringDown } from './bring-down.ts';
import { makeCertificates } from './certificates.ts';
import { auditLog, kubeconfigFor, startControlPlane, type ClusterParts } from './control-plane.ts';
import { startContainerd, startHostKubelet } from './host-node.ts';
import { imagesOf, makeImages, type ClusterImages } from './images.ts';
import { layoutOf, nodeNames, sharedCluster, type Layout } from './layout.ts';
import { withLock } from './lock.ts';
import { missingForCluster } from './needs.ts';
import { makeNetwork } from './network.ts';
import {
  isRunning,
  readIfThere,
  readRecord,
  record,
  startAgain,
  stopProcess,
} from './processes.ts';
import { registryStorage, startRegistryServer } from './registry-server.ts';
import { run } from './run.ts';
import { serviceProcesses, startServices } from './services.ts';
import { buildTool, type Tool } from './tools.ts';
import { untilNodeReady } from './until-node-ready.ts';
import { isAlive } from '../../packages/drivers/src/process-tree.ts';

export interface ClusterOptions {
  /** Whether it has the arm64 node too. */
  readonly arm64: boolean;
  /** Whether pods reach Services, by address and name. Only the shared cluster can have them. */
  readonly services?: boolean;
  /** Another than the shared one, for a test that breaks it: 60 to 120. */
  readonly number?: number;
  /** Fields of the amd64 node's KubeletConfiguration, over ours. */
  readonly kubelet?: Readonly<Record<string, unknown>>;
  /** Whether a node that once said that it is ready is so for good, for many that need not say it again. */
  readonly trustsNodes?: boolean;
  /** Stays up until `stopByHand`. */
  readonly byHand?: boolean;
  readonly log?: (sentence: string) => void;
}

export interface Cluster {
  /** The administrator's. */
  readonly kubeconfig: string;
  readonly server: string;
  /** PEM, the administrator's. */
  readonly credentials: { readonly ca: string; readonly certificate: string; readonly key: string };
  /** PEM, the API server's: for what stands before it, at 127.0.0.1. */
  readonly serverCredentials: { readonly certificate: string; readonly key: string };
  /** `address:port`, plain http, for nodes, pods and this machine alike. */
  readonly registry: string;
  readonly images: ClusterImages;
  readonly nodes: readonly string[];
  readonly trustsNodes: boolean;
  readonly api: ApiClient;
  /** One JSON object a line, of all but the nodes' own requests. */
  readonly auditLog: string;
  /** Its processes' logs are in `log`. */
  readonly folder: string;
  /** For tests of faults, on a cluster of their own: kills a process of it, such as `etcd` or `kube-apiserver`. */
  kill(process: string): Promise<void>;
  /** Starts again what was killed; it may not be ready yet. */
  revive(process: string): Promise<void>;
  stop(): Promise<void>;
}

const controlPlane: readonly Tool[] = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
];
/** Without it, the API server refuses a pod. */
const defaultAccount = '/api/v1/namespaces/default/serviceaccounts/default';
const expectedProcesses = [...controlPlane, 'docker-registry', 'containerd', 'kubelet'];

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { arm64, trustsNodes = false, number = sharedCluster, log = () => {} } = options;
  const missing = missingForCluster();
  if (missing.length > 0) throw new Error(`no cluster here: ${missing.join('; ')}`);
  const layout = layoutOf(number);
  return withLock(lockFile(layout), async () => {
    const parts = { layout, certificates: await makeCertificates(layout) };
    try {
      await completeCluster(parts, options, { stage: stagesOf(log), log });
    } catch (error) {
      if (!(await hasUsers(layout))) await bringDown(layout);
      throw error;
    }
    const user = join(layout.folder, 'users', options.byHand ? 'by-hand' : randomUUID());
    if (options.byHand) await writeFile(user, '');
    else await record(user, process.pid);
    return describe(parts, { user, arm64, trustsNodes });
  });
}

/** Ends it, whoever uses it. */
export async function stopByHand(number = sharedCluster): Promise<void> {
  const layout = layoutOf(number);
  await withLock(lockFile(layout), () => bringDown(layout));
}

interface Reporting {
  readonly stage: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  readonly log: (sentence: string) => void;
}

/** Starts what is asked for and not there. */
async function completeCluster(
  parts: ClusterParts,
  options: ClusterOptions,
  reporting: Reporting,
): Promise<void> {
  const { layout } = parts;
  const { arm64, services } = options;
  if (!(await isUp(layout))) await bringUp(parts, options, reporting);
  if (arm64) await joinArm64(parts, reporting);
  if (services && !(await areRunning(layout, serviceProcesses))) {
    await reporting.stage('services', () => startServices(parts));
  }
}

async function bringUp(
  parts: ClusterParts,
  { kubelet, trustsNodes = false }: ClusterOptions,
  { stage, log }: Reporting,
): Promise<void> {
  const { layout } = parts;
  await bringDown(layout);
  const storage = await stage('tools and images', async () => {
    for (const tool of [...controlPlane, 'kubelet', 'kubectl'] as const)
      await buildTool(tool, 'amd64', log);
    return makeImages(layout, log);
  });
  await mkdir(join(layout.folder, 'users'), { recursive: true, mode: 0o755 });
  await stage('network and registry', async () => {
    await makeNetwork(layout);
    await run(['cp', '--archive', '--reflink=auto', storage, registryStorage(layout.folder)]);
    await startRegistryServer(layout.folder, layout.registry);
  });
  const api = await createApiClient(layout, parts.certificates);
  try {
    await stage('control plane', () =>
      Promise.all([
        startControlPlane(parts, { api, trustsNodes }),
        startContainerd(layout, imagesOf(layout).pause),
      ]),
    );
    await stage('amd64 node', async () => {
      await startHostKubelet(parts, kubelet);
      await untilNodeReady(api, nodeNames.amd64);
      await until(
        'pods may be made',
        async () => (await api.send('GET', defaultAccount)).status === 200,
      );
    });
  } finally {
    api.close();
  }
  await kubeconfigFor('admin', parts);
  await writeFile(upFile(layout), '');
}

async function joinArm64(parts: ClusterParts, { stage, log }: Reporting): Promise<void> {
  const { layout, certificates } = parts;
  const api = await createApiClient(layout, certificates);
  try {
    if (!(await isRunning(layout.folder, nodeNames.arm64))) {
      const frozen = await stage('frozen arm64 machine', () => freezeArm64(parts, log));
      await stage('arm64 node', () => joinArm64Node(frozen, layout, api));
    }
    await untilNodeReady(api, nodeNames.arm64);
  } finally {
    api.close();
  }
}

async function isUp(layout: Layout): Promise<boolean> {
  if (!existsSync(upFile(layout))) return false;
  return areRunning(layout, expectedProcesses);
}

async function areRunning({ folder }: Layout, names: readonly string[]): Promise<boolean> {
  const running = await Promise.all(names.map((name) => isRunning(folder, name)));
  return running.every(Boolean);
}

async function describe(
  parts: ClusterParts,
  { user, arm64, trustsNodes }: { user: string; arm64: boolean; trustsNodes: boolean },
): Promise<Cluster> {
  const { layout, certificates } = parts;
  const read = (name: string) => readFile(join(certificates, name), 'utf8');
  const api = await createApiClient(layout, certificates);
  return {
    kubeconfig: join(layout.folder, 'kubeconfig/admin'),
    server: layout.apiServer,
    credentials: {
      ca: await read('ca.crt'),
      certificate: await read('admin.crt'),
      key: await read('admin.key'),
    },
    serverCredentials: {
      certificate: await read('kube-apiserver.crt'),
      key: await read('kube-apiserver.key'),
    },
    registry: layout.registry,
    images: imagesOf(layout),
    nodes: arm64 ? [nodeNames.amd64, nodeNames.arm64] : [nodeNames.amd64],
    trustsNodes,
    api,
    auditLog: auditLog(layout),
    folder: layout.folder,
    kill: (name) => stopProcess(layout.folder, name),
    revive: (name) => startAgain(layout.folder, name),
    stop: async () => {
      api.close();
      await withLock(lockFile(layout), async () => {
        await rm(user, { force: true });
        if (!(await hasUsers(layout))) await bringDown(layout);
      });
    },
  };
}

async function hasUsers({ folder }: Layout): Promise<boolean> {
  const users = join(folder, 'users');
  const names = await readIfThere(() => readdir(users), []);
  for (const name of names) {
    if (name === 'by-hand') return true;
    const identity = await readRecord(join(users, name));
    if (identity && (await isAlive(identity))) return true;
  }
  return false;
}

function stagesOf(log: (sentence: string) => void): Reporting['stage'] {
  return async (name, work) => {
    const startedAt = performance.now();
    const result = await work();
    log(`${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    return result;
  };
}

function upFile({ folder }: Layout): string {
  return join(folder, 'up');
}

function lockFile({ cache, number }: Layout): string {
  return join(cache, `cluster-${number}.lock`);
}
