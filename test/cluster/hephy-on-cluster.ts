/** The real service, with its builds in the cluster, in a namespace and with rights as `deploy/builds.yaml` gives them. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { buildImage, pushImage } from '../image/build-image.ts';
import { startHephy, type Hephy } from '../parts/hephy.ts';
import { run } from './run.ts';
import type { Cluster } from './start-cluster.ts';
import { buildTool } from './tools.ts';

export interface HephyOnCluster extends Hephy {
  readonly namespace: string;
}

const manifests = join(import.meta.dirname, '../../deploy/builds.yaml');

/** Our own image as the cluster pulls it: for both architectures, from our Dockerfile. */
export async function pushOurImage({ registry }: Cluster): Promise<string> {
  const layout = await buildImage((sentence) => process.stderr.write(`${sentence}\n`));
  const reference = `${registry}/hephy:test`;
  await pushImage(layout, reference);
  return reference;
}

export async function startHephyOn(
  cluster: Cluster,
  environment: Readonly<Record<string, string>> = {},
): Promise<HephyOnCluster> {
  const place = await makeBuildsPlace(cluster);
  const hephy = await startHephy({ environment: { ...place.settings, ...environment } });
  return {
    ...hephy,
    namespace: place.namespace,
    async close() {
      await hephy.close();
      await place.remove();
    },
  };
}

export interface BuildsPlace extends BuildsNamespace {
  /** What makes a service build there. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A namespace for builds of services that run on this machine. */
export async function makeBuildsPlace(cluster: Cluster): Promise<BuildsPlace> {
  const image = await pushOurImage(cluster);
  const builds = await makeBuildsNamespace(cluster);
  const own = { HEPHY_IMAGE: image, HEPHY_BUILDER_MEMORY: '1Gi' };
  return { ...builds, settings: { ...kubernetesSettings(cluster, builds), ...own } };
}

export interface BuildsNamespace {
  readonly namespace: string;
  /** The worker's. */
  readonly kubeconfig: string;
  remove(): Promise<void>;
}

/** Where builds run, as `deploy/builds.yaml` makes it. */
export async function makeBuildsNamespace(cluster: Cluster): Promise<BuildsNamespace> {
  const namespace = `hephy-builds-${randomUUID().slice(0, 8)}`;
  const folder = await mkdtemp(join(tmpdir(), 'hephy-on-cluster-'));
  const applied = join(folder, 'builds.yaml');
  const text = await readFile(manifests, 'utf8');
  await writeFile(applied, text.replaceAll('hephy-builds', namespace));
  const kubectl = await buildTool('kubectl', 'amd64', () => undefined);
  const kubectlFor = (...words: string[]) =>
    run([kubectl, `--kubeconfig=${cluster.kubeconfig}`, ...words]);
  await kubectlFor('apply', '--filename', applied);
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, await workersKubeconfig(cluster, namespace), { mode: 0o600 });
  return {
    namespace,
    kubeconfig,
    async remove() {
      await kubectlFor('delete', '--wait=false', '--filename', applied);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a worker needs to build there. Its own image is for the caller to say. */
export function kubernetesSettings(
  { registry, images }: Cluster,
  { namespace, kubeconfig }: BuildsNamespace,
): Record<string, string> {
  return {
    HEPHY_DRIVER: 'kubernetes',
    HEPHY_KUBECONFIG: kubeconfig,
    HEPHY_NAMESPACE: namespace,
    HEPHY_REGISTRY: registry,
    HEPHY_REGISTRY_PLAIN_HTTP: 'true',
    HEPHY_KANIKO_IMAGE: images.kaniko,
    HEPHY_LISTEN_SOURCES: `${registry.split(':')[0]}:0`,
  };
}

const Token = z.object({ status: z.object({ token: z.string() }) });

/** As the service account that the manifests make. */
async function workersKubeconfig(cluster: Cluster, namespace: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/hephy-worker/token`;
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { token } = Token.parse((await cluster.api.send('POST', path, request)).body).status;
  const ca = Buffer.from(cluster.credentials.ca).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'worker',
    contexts: [{ name: 'worker', context: { cluster: 'test', user: 'worker' } }],
    clusters: [
      { name: 'test', cluster: { server: cluster.server, 'certificate-authority-data': ca } },
    ],
    users: [{ name: 'worker', user: { token } }],
  });
}
