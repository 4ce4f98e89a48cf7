/** A build as an operator would try it by hand: one kaniko Job on a node of the architecture, without any privilege. */
import { z } from 'zod';
import { until } from '../parts/until.ts';
import type { NodeArchitecture } from './layout.ts';
import type { Cluster } from './start-cluster.ts';

export interface KanikoBuild {
  readonly name: string;
  readonly architecture: NodeArchitecture;
  readonly dockerfile: string;
  /** `repository:tag` in the cluster's registry. */
  readonly destination: string;
}

export interface KanikoResult {
  readonly nodeName: string;
  /** What the build left in the pod's termination message. */
  readonly message: string;
  readonly log: string;
}

const namespace = 'builds';
const Job = z.object({
  status: z.object({ succeeded: z.number().optional(), failed: z.number().optional() }),
});
const Terminated = z.object({ exitCode: z.number(), message: z.string().default('') });
const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ nodeName: z.string() }),
      status: z.object({
        containerStatuses: z.array(z.object({ state: z.object({ terminated: Terminated }) })),
      }),
    }),
  ),
});

/** Makes the namespace that builds run in, where Kubernetes itself refuses privileged pods. */
export async function makeBuildNamespace({ api }: Cluster): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  const { status } = await api.send('POST', '/api/v1/namespaces', {
    metadata: { name: namespace, labels },
  });
  if (status !== 201 && status !== 409) throw new Error(`the namespace was answered ${status}`);
}

/** Runs it to its end. Throws with its log if it fails. */
export async function runKanikoJob(
  build: KanikoBuild,
  cluster: Cluster,
  withinMs = 240_000,
): Promise<KanikoResult> {
  const { api } = cluster;
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const created = await api.send('POST', jobs, jobOf(build, cluster));
  if (created.status !== 201)
    throw new Error(`the Job was refused: ${JSON.stringify(created.body)}`);
  const look = async () => {
    const { succeeded, failed } = Job.parse(await api.get(`${jobs}/${build.name}`)).status;
    return succeeded || failed ? { succeeded } : undefined;
  };
  const { succeeded } = await until(`Job ${build.name} has ended`, look, withinMs);
  const selector = encodeURIComponent(`batch.kubernetes.io/job-name=${build.name}`);
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const pod = Pods.parse(await api.get(`${pods}?labelSelector=${selector}`)).items[0];
  if (!pod) throw new Error(`Job ${build.name} has no pod`);
  const log = String(await api.get(`${pods}/${pod.metadata.name}/log?container=build`));
  if (!succeeded) throw new Error(`Job ${build.name} failed:\n${log}`);
  const message = pod.status.containerStatuses[0]?.state.terminated.message ?? '';
  return { nodeName: pod.spec.nodeName, message, log };
}

function jobOf(build: KanikoBuild, { images, registry }: Cluster): unknown {
  const volumeMounts = [{ name: 'workspace', mountPath: '/workspace' }];
  const kanikoArguments = [
    '--context=dir:///workspace',
    `--destination=${registry}/${build.destination}`,
    '--digest-file=/dev/termination-log',
    '--ignore-path=/product_uuid',
    '--insecure',
    '--insecure-pull',
  ];
  const source = {
    name: 'source',
    image: images.base,
    command: ['sh', '-c', 'echo "$DOCKERFILE" > /workspace/Dockerfile'],
    env: [{ name: 'DOCKERFILE', value: build.dockerfile }],
    volumeMounts,
  };
  return {
    metadata: { name: build.name },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          nodeSelector: {
            'kubernetes.io/arch': build.architecture,
            'kubernetes.io/os': 'linux',
          },
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          initContainers: [source],
          containers: [
            { name: 'build', image: images.kaniko, args: kanikoArguments, volumeMounts },
          ],
          volumes: [{ name: 'workspace', emptyDir: {} }],
        },
      },
    },
  };
}
