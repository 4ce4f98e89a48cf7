/** etcd, the API server, the controller manager and the scheduler: what every cluster has before its nodes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiClient } from './api-client.ts';
import { writeKubeconfig } from './certificates.ts';
import type { Layout } from './layout.ts';
import { startProcess, untilReady } from './processes.ts';
import { buildTool } from './tools.ts';

export interface ClusterParts {
  readonly layout: Layout;
  /** The folder of `makeCertificates`. */
  readonly certificates: string;
}

export interface ControlPlaneOptions {
  readonly api: ApiClient;
  /** Nodes are ready as they come, and nobody looks whether they stay so. */
  readonly trustsNodes: boolean;
}

export async function startControlPlane(
  parts: ClusterParts,
  { api, trustsNodes }: ControlPlaneOptions,
): Promise<void> {
  await startEtcd(parts);
  await startApiServer(parts, trustsNodes ? ['TaintNodesByCondition'] : []);
  const { folder } = parts.layout;
  await untilReady({ folder, name: 'kube-apiserver' }, () => api.isReady());
  await Promise.all([
    startControllerManager(parts, trustsNodes ? nodeControllers : []),
    startScheduler(parts),
  ]);
}

async function startEtcd({ layout }: ClusterParts): Promise<void> {
  const clients = `http://${layout.etcd}:2379`;
  const peers = `http://${layout.etcd}:2380`;
  await startProcess(layout.folder, {
    name: 'etcd',
    command: [
      await buildTool('etcd'),
      '--unsafe-no-fsync',
      ...flags({
        'data-dir': join(layout.folder, 'etcd'),
        'log-level': 'warn',
        'listen-client-urls': clients,
        'advertise-client-urls': clients,
        'listen-peer-urls': peers,
        'initial-advertise-peer-urls': peers,
        'initial-cluster': `default=${peers}`,
      }),
    ],
  });
}

async function startApiServer(
  { layout, certificates }: ClusterParts,
  disabledPlugins: readonly string[],
): Promise<void> {
  const auditPolicy = join(layout.folder, 'audit-policy.json');
  await writeFile(auditPolicy, JSON.stringify(auditEverything));
  const key = (name: string) => join(certificates, name);
  const settings = {
    'advertise-address': layout.hostAddress,
    'audit-log-path': auditLog(layout),
    'audit-policy-file': auditPolicy,
    'authorization-mode': 'Node,RBAC',
    'bind-address': layout.hostAddress,
    'cert-dir': join(layout.folder, 'kube-apiserver'),
    'client-ca-file': key('ca.crt'),
    'disable-admission-plugins': disabledPlugins.join(','),
    'enable-admission-plugins': 'NodeRestriction',
    'etcd-servers': `http://${layout.etcd}:2379`,
    'kubelet-client-certificate': key('admin.crt'),
    'kubelet-client-key': key('admin.key'),
    'kubelet-preferred-address-types': 'InternalIP',
    'secure-port': new URL(layout.apiServer).port,
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': key('service-accounts.key'),
    'service-account-signing-key-file': key('service-accounts.key'),
    'service-cluster-ip-range': '10.96.0.0/16',
    'tls-cert-file': key('kube-apiserver.crt'),
    'tls-private-key-file': key('kube-apiserver.key'),
  };
  await startProcess(layout.folder, {
    name: 'kube-apiserver',
    command: [await buildTool('kube-apiserver'), ...flags(settings)],
  });
}

/** Who asked for what, one JSON object a line: the rights that a role really used. */
export function auditLog({ folder }: Layout): string {
  return join(folder, 'log', 'audit.log');
}

const auditEverything = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'None', userGroups: ['system:nodes'] }, { level: 'Metadata' }],
};

/** A second. By default they are as slow as suits a cluster of a few nodes. */
const manyRequests = { 'kube-api-qps': '500', 'kube-api-burst': '1000' };

/** Those that write each node. */
const nodeControllers = ['node-lifecycle-controller', 'ttl-controller'];

async function startControllerManager(
  parts: ClusterParts,
  disabled: readonly string[],
): Promise<void> {
  const { layout, certificates } = parts;
  const settings = {
    controllers: ['*', ...disabled.map((name) => `-${name}`)].join(','),
    'flex-volume-plugin-dir': join(layout.folder, 'volume-plugins'),
    kubeconfig: await kubeconfigFor('kube-controller-manager', parts),
    ...manyRequests,
    'leader-elect': 'false',
    'root-ca-file': join(certificates, 'ca.crt'),
    'secure-port': '0',
    'service-account-private-key-file': join(certificates, 'service-accounts.key'),
    'use-service-account-credentials': 'true',
  };
  await startProcess(layout.folder, {
    name: 'kube-controller-manager',
    command: [await buildTool('kube-controller-manager'), ...flags(settings)],
  });
}

async function startScheduler(parts: ClusterParts): Promise<void> {
  const kubeconfig = await kubeconfigFor('kube-scheduler', parts);
  await startProcess(parts.layout.folder, {
    name: 'kube-scheduler',
    command: [
      await buildTool('kube-scheduler'),
      ...flags({ ...manyRequests, kubeconfig, 'leader-elect': 'false', 'secure-port': '0' }),
    ],
  });
}

export async function kubeconfigFor(
  user: Parameters<typeof writeKubeconfig>[1],
  parts: ClusterParts,
): Promise<string> {
  const folder = join(parts.layout.folder, 'kubeconfig');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, user);
  await writeKubeconfig(file, user, parts);
  return file;
}

function flags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
}
