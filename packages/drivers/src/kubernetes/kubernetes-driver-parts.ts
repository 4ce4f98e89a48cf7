/** Parts for tests of the Kubernetes driver: a real cluster, and a backend that runs the commit's Dockerfile with sh. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createDirectorySourceStore, createSourceListener, sourceUrl } from '@hephy/source';
import type { ContainerInput, SourceRef } from '@hephy/core';
import type { Cluster } from '../../../../test/cluster/start-cluster.ts';
import { putFiles } from '../../../../test/parts/source-files.ts';
import type { Behaviour, DriverParts } from '../driver-conformance.ts';
import type { BuilderSpec, Driver } from '../driver.ts';
import { makeSpec } from '../local-driver-parts.ts';
import { createKubeClient } from './kube-client.ts';
import { loadKubeConfig } from './kube-connection.ts';
import { createKubernetesDriver, type KubernetesDriverOptions } from './kubernetes-driver.ts';
import type { JobOptions } from './pod-spec.ts';

const digest = `sha256:${'a'.repeat(64)}`;

const scripts: Record<Behaviour, string> = {
  succeeds: 'echo first; echo last',
  fails: 'echo failing; exit 7',
  waits: 'echo waiting; exec sleep 1000',
  counts: 'seq 1 1000; sleep 0.3; seq 1001 3000',
  refusesPush: 'echo built; echo push refused; exit 1',
};

export interface KubernetesDriverParts extends DriverParts {
  specOf(script: string, changes?: Partial<BuilderSpec>): Promise<BuilderSpec>;
  openDriver(changes?: DriverChanges): Driver & { close(): Promise<void> };
  readonly namespace: string;
}

/** Over what a driver of the parts is otherwise told. */
export type DriverChanges = Partial<Omit<KubernetesDriverOptions, 'job'>> & {
  readonly job?: Partial<JobOptions>;
};

export const smallJob: Omit<JobOptions, 'ownImage'> = {
  resources: {
    requests: { cpu: '10m', memory: '16Mi', 'ephemeral-storage': '1Mi' },
    limits: { memory: '256Mi', 'ephemeral-storage': '1Gi' },
  },
  tolerations: [],
  imagePullSecrets: [],
  serviceAccountName: undefined,
  isolation: 'together',
  plainHttp: true,
  authorities: undefined,
  credentialsDirectory: '/kaniko/.docker',
};

/** In a namespace of its own. `ownImage` is our own image, as the cluster pulls it. */
export async function makeKubernetesDriverParts(
  cluster: Cluster,
  ownImage: string,
): Promise<KubernetesDriverParts> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hephy-kube-'));
  const namespace = `drivers-${randomUUID().slice(0, 8)}`;
  await createNamespace(cluster, namespace);
  const sources = createDirectorySourceStore({ directory: path.join(folder, 'sources') });
  const server = await startServer(cluster, sources);
  const drivers: { close(): Promise<void> }[] = [];
  const kubeConfig = await loadKubeConfig(cluster.kubeconfig);
  const openDriver: KubernetesDriverParts['openDriver'] = (changes) => {
    const driver = createKubernetesDriver({
      client: createKubeClient({
        kubeConfig,
        namespace,
        now: () => new Date(),
        random: Math.random,
        wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
      }),
      containerFor: (input) => shellContainer(input, { cluster, startUrl: server.startUrl }),
      platformRefusal: () => undefined,
      explainLog: (tail) =>
        tail.includes('push refused') ? { reason: 'RegistryUnavailable' } : undefined,
      readableLog: (lines) => lines,
      credentials: () => Promise.resolve({ ok: true, credentials: {} }),
      grantSource: (source) => server.grantSource(source),
      onError: () => undefined,
      ...changes,
      job: { ...smallJob, ownImage, ...changes?.job },
    });
    drivers.push(driver);
    return driver;
  };
  const specOf: KubernetesDriverParts['specOf'] = async (script, changes) =>
    makeSpec(await putFiles(sources, { Dockerfile: script }), changes);
  return {
    openDriver,
    specOf,
    namespace,
    makeSpec: (behaviour) => specOf(scripts[behaviour]),
    withoutSource: (spec) => ({ ...spec, source: { sha256: '0'.repeat(64), sizeBytes: 1 } }),
    countStarts: ({ name }) => Promise.resolve(server.starts.get(name) ?? 0),
    nativePlatform: 'linux/amd64',
    foreignPlatform: 'linux/s390x',
    async close() {
      await Promise.all(drivers.map((driver) => driver.close()));
      await cluster.api.send('DELETE', `/api/v1/namespaces/${namespace}`);
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function createNamespace({ api }: Cluster, name: string): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  const metadata = { name, labels };
  await api.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
}

/** Runs the commit's Dockerfile with sh, tells that it began, and leaves a digest as a builder does. */
function shellContainer(
  { contextDirectory, dockerfilePath, destination, digestFile }: ContainerInput,
  { cluster, startUrl }: { cluster: Cluster; startUrl: string },
) {
  const name = destination.split(':').at(-1) ?? '';
  const script = 'wget -q -O /dev/null "$1" && cd "$2" && sh "$3" && printf %s "$4" > "$5"';
  const words = [`${startUrl}${name}`, contextDirectory, dockerfilePath, digest, digestFile];
  return {
    image: cluster.images.base,
    args: ['sh', '-c', script, 'build', ...words],
    environment: {},
  };
}

/** Hands out sources, and counts the builders that began. */
async function startServer(
  cluster: Cluster,
  sources: ReturnType<typeof createDirectorySourceStore>,
) {
  const grants = new Map<string, SourceRef>();
  const starts = new Map<string, number>();
  const answer = createSourceListener({
    redeem: ({ token }) => Promise.resolve(grants.get(token)),
    sources,
    onError: () => undefined,
  });
  const server = createServer((request, response) => {
    const began = /^\/started\/(.+)$/.exec(request.url ?? '')?.[1];
    if (began !== undefined) starts.set(began, (starts.get(began) ?? 0) + 1);
    if (began !== undefined || !answer(request, response)) response.end();
  });
  const host = cluster.registry.split(':')[0];
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const url = `http://${host}:${(server.address() as AddressInfo).port}`;
  return {
    starts,
    startUrl: `${url}/started/`,
    async grantSource(source: SourceRef): Promise<string> {
      const token = randomUUID();
      grants.set(token, source);
      return sourceUrl(url, token);
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
