/** Real builds for tests: kaniko in the cluster, pushed to a registry that lets nobody in without a password. */
import {
  explainKanikoLog,
  kanikoContainer,
  parseKanikoConfig,
  readableKanikoLog,
} from '@hephy/backends';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { pushOurImage } from '../../../../test/cluster/hephy-on-cluster.ts';
import { startCluster, type Cluster } from '../../../../test/cluster/start-cluster.ts';
import { otherLogin, registryLogin, startRegistry } from '../../../../test/parts/registry.ts';
import type { BuilderResult, BuilderSpec } from '../driver.ts';
import type { KubernetesDriverOptions } from './kubernetes-driver.ts';
import {
  makeKubernetesDriverParts,
  type KubernetesDriverParts,
} from './kubernetes-driver-parts.ts';
import type { Isolation, JobOptions } from './pod-spec.ts';

export interface BuildToRun {
  readonly dockerfile: string;
  readonly isolation: Isolation;
  readonly spec?: Partial<BuilderSpec>;
  readonly job?: Partial<JobOptions>;
  /** Whether what the Dockerfile is built from may be read from the registry, as another user than who pushes. */
  readonly mayPull?: boolean;
  /** Who pushes with `split`; by default, who may. */
  readonly pushAs?: typeof registryLogin;
}

export interface Built {
  readonly spec: BuilderSpec;
  readonly result: BuilderResult;
  readonly log: string;
  /** As the API server has it, before it is cleaned up. */
  readonly pod: string;
}

export interface KanikoParts extends KubernetesDriverParts {
  readonly cluster: Cluster;
  /** `host:port` of the registry that asks for a password. */
  readonly registry: string;
  /** Who may push there. */
  readonly client: RegistryClient;
  build(build: BuildToRun): Promise<Built>;
}

const withinMs = 150_000;
const memory = { requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '1Mi' } };

export async function makeKanikoParts(): Promise<KanikoParts> {
  const cluster = await startCluster({ arm64: false });
  const parts = await makeKubernetesDriverParts(cluster, await pushOurImage(cluster));
  const registry = await startRegistry({ login: true, address: cluster.registry.split(':')[0] });
  const client = createRegistryClient({
    registry: registry.host,
    plainHttp: true,
    credentials: () => Promise.resolve(registryLogin),
  });
  return {
    ...parts,
    cluster,
    registry: registry.host,
    client,
    build: (build) => runBuild(build, { parts, cluster, registry: registry.host }),
    async close() {
      await client.close();
      await parts.close();
      await registry.stop();
      await cluster.stop();
    },
  };
}

async function runBuild(
  build: BuildToRun,
  deps: { parts: KubernetesDriverParts; cluster: Cluster; registry: string },
): Promise<Built> {
  const { parts, cluster, registry } = deps;
  const made = await parts.specOf(build.dockerfile, build.spec);
  const spec = { ...made, destination: `${registry}/shop:${made.name}` };
  const driver = parts.openDriver({
    ...kanikoBackend(build, deps),
    credentials: () => Promise.resolve({ ok: true, credentials: credentialsOf(build, registry) }),
    job: {
      isolation: build.isolation,
      resources: { ...memory, limits: { memory: '1Gi', 'ephemeral-storage': '1Gi' } },
      ...build.job,
    },
  });
  const signal = AbortSignal.timeout(withinMs);
  const started = await driver.startOrAdopt(spec);
  if (!started.ok) throw new Error(JSON.stringify(started.failure));
  let log = '';
  for await (const { text } of driver.followLog(spec.name, { fromOffset: 0, signal })) log += text;
  const result = await driver.result(spec.name, { signal });
  const selector = encodeURIComponent(`batch.kubernetes.io/job-name=${spec.name}`);
  const pods = `/api/v1/namespaces/${parts.namespace}/pods?labelSelector=${selector}`;
  const pod = JSON.stringify(await cluster.api.get(pods));
  await driver.cleanUp(spec.name);
  return { spec, result, log, pod };
}

function kanikoBackend(
  { isolation }: BuildToRun,
  { cluster, registry }: { cluster: Cluster; registry: string },
): Partial<KubernetesDriverOptions> {
  const parsed = parseKanikoConfig({
    image: cluster.images.kaniko,
    version: '1.27.5',
    plainRegistries: [cluster.registry, registry],
    isolated: isolation === 'split',
  });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return {
    containerFor: (input) => kanikoContainer(input, parsed.config),
    explainLog: explainKanikoLog,
    readableLog: readableKanikoLog,
  };
}

function credentialsOf(build: BuildToRun, registry: string) {
  const { isolation, mayPull, pushAs = registryLogin } = build;
  if (isolation === 'together') return { dockerConfig: dockerConfig(registry, registryLogin) };
  return {
    push: JSON.stringify(pushAs),
    ...(mayPull && { dockerConfig: dockerConfig(registry, otherLogin) }),
  };
}

export function basicAuth({ username, password }: typeof registryLogin): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}

function dockerConfig(registry: string, login: typeof registryLogin): string {
  return JSON.stringify({ auths: { [registry]: { auth: basicAuth(login) } } });
}
