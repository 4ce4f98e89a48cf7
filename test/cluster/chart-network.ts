/** Who could ask whom where the chart is installed: its own pods, a builder as the driver makes it, pods of others, and
 *  what is outside. */
import { z } from 'zod';
import { kubeJob } from '../../packages/drivers/src/kubernetes/kube-job.ts';
import type { JobOptions } from '../../packages/drivers/src/kubernetes/pod-spec.ts';
import { makeSpec } from '../../packages/drivers/src/local-driver-parts.ts';
import { areAllowed, type Connection, type Peer } from './allowed-connections.ts';
import { objectsIn, templateChart } from './helm.ts';

/** By `component:port`, or by what they are where no pod of the chart is. */
type Askable = Readonly<Record<string, Pick<Connection, 'to' | 'port' | 'protocol'>>>;

const port = (number: number, name?: string) => ({ number, ...(name !== undefined && { name }) });

const metadataServices = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd20:ce::254',
];
export const outside: Askable = {
  public: { to: { address: '203.0.113.7' }, port: port(443) },
  'public by IPv6': { to: { address: '2001:db8::7' }, port: port(443) },
  'public names': { to: { address: '203.0.113.53' }, port: port(53), protocol: 'UDP' },
  ...Object.fromEntries(
    metadataServices.map((address) => [`metadata ${address}`, { to: { address }, port: port(80) }]),
  ),
};
/** Where a cluster of these ranges has what the chart does not make. */
export const ofCluster: Askable = {
  'API server by its Service': { to: { address: '10.96.0.1' }, port: port(443) },
  'API server': { to: { address: '10.0.0.1' }, port: port(6443) },
  kubelet: { to: { address: '10.0.0.2' }, port: port(10_250) },
  'names of the cluster': {
    to: podAt('10.244.9.53', 'kube-system', { 'k8s-app': 'kube-dns' }),
    port: port(53, 'dns'),
    protocol: 'UDP',
  },
  registry: { to: podAt('10.244.9.1', 'images', { app: 'registry' }), port: port(5000) },
  'pod by IPv6': { to: podAt('fd00:244::9', 'default', {}), port: port(80) },
  'pod of others': { to: podAt('10.244.9.2', 'default', {}), port: port(80) },
};

function podAt(address: string, namespace: string, labels: Record<string, string>): Peer {
  return { address, pod: { namespace, labels } };
}

const Labels = z.record(z.string(), z.string());
const Workload = z.object({
  kind: z.enum(['Deployment', 'StatefulSet']),
  metadata: z.object({ namespace: z.string() }),
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: Labels }),
      spec: z.object({
        containers: z.array(
          z.object({
            ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
          }),
        ),
      }),
    }),
  }),
});
const Job = z.object({
  spec: z.object({ template: z.object({ metadata: z.object({ labels: Labels }) }) }),
});

/** The chart's policies, all pods that ask, its own by component, and what of it can be asked. Others' pods may have any
 *  label. */
export async function installed(values: object, buildsNamespace = 'hephy-builds') {
  const objects = objectsIn(await templateChart({ values }));
  const builder = podAt('10.244.1.1', buildsNamespace, builderLabels());
  const pods: Record<string, Peer> = {
    builder,
    'pod beside builders': podAt('10.244.1.5', buildsNamespace, {}),
    'pod beside the roles': podAt('10.244.1.2', 'hephy', {}),
    'pod of others': podAt('10.244.1.3', 'default', {}),
    'labelled as a builder': podAt('10.244.1.4', 'default', builderLabels()),
  };
  const ports: Record<string, Askable[string]> = {
    'builder:8080': { to: builder, port: port(8080) },
  };
  for (const [index, object] of objects.entries()) {
    const workload = Workload.safeParse(object).data;
    if (!workload) continue;
    const { metadata, spec } = workload.spec.template;
    const component = metadata.labels['app.kubernetes.io/component'] ?? '';
    const pod = podAt(`10.244.2.${index}`, workload.metadata.namespace, metadata.labels);
    pods[component] = pod;
    pods[`labelled as ${component}`] = podAt(`10.244.3.${index}`, 'default', metadata.labels);
    for (const { name, containerPort } of spec.containers.flatMap((each) => each.ports))
      ports[`${component}:${name}`] = { to: pod, port: port(containerPort, name) };
  }
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  return { policies, pods, ports, builder };
}

const jobOptions: JobOptions = {
  ownImage: 'hephy',
  resources: { requests: {}, limits: { memory: '1Gi', 'ephemeral-storage': '1Gi' } },
  tolerations: [],
  imagePullSecrets: [],
  serviceAccountName: undefined,
  isolation: 'together',
  plainHttp: false,
  authorities: undefined,
  credentialsDirectory: '/kaniko/.docker',
};

function builderLabels(): Record<string, string> {
  const container = { image: 'kaniko', args: [], environment: {} };
  const spec = makeSpec({ sha256: 'c'.repeat(64), sizeBytes: 1 });
  const job = kubeJob({ spec, container, secretKeys: [], hash: 'f'.repeat(64) }, jobOptions);
  return Job.parse(job).spec.template.metadata.labels;
}

/** By what is asked, who of the others may. */
export async function whoReaches(
  askable: Askable,
  { policies, pods }: { policies: readonly object[]; pods: Readonly<Record<string, Peer>> },
): Promise<Record<string, string[]>> {
  const askers = Object.entries(pods);
  const pairs = Object.entries(askable).flatMap(([asked, connection]) =>
    askers.map(([asker, from]) => ({ asked, asker, connection: { ...connection, from } })),
  );
  const allowed = await areAllowed(
    policies,
    pairs.map(({ connection }) => connection),
  );
  const byAsked = Map.groupBy(
    pairs.filter((_, index) => allowed[index]),
    ({ asked }) => asked,
  );
  return Object.fromEntries(
    Object.keys(askable).map((asked) => [
      asked,
      (byAsked.get(asked) ?? []).map(({ asker }) => asker).toSorted(),
    ]),
  );
}

export async function reachedBy(
  from: Peer,
  askable: Askable,
  policies: readonly object[],
): Promise<string[]> {
  const reached = await whoReaches(askable, { policies, pods: { it: from } });
  return Object.keys(reached)
    .filter((asked) => reached[asked]?.length)
    .toSorted();
}
