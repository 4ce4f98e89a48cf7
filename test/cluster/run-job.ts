import { z } from 'zod';
import { until } from '../parts/until.ts';
import type { NodeArchitecture } from './layout.ts';
import type { Cluster } from './start-cluster.ts';

export interface JobToRun {
  readonly namespace: string;
  readonly name: string;
  readonly architecture: NodeArchitecture;
  /** Of its pod, beside what every Job here has. The container whose log and message are answered is `main`. */
  readonly podSpec: Readonly<Record<string, unknown>>;
}

export interface JobResult {
  readonly nodeName: string;
  /** What the container left as its termination message. */
  readonly message: string;
  readonly log: string;
}

const Job = z.object({
  status: z.object({ succeeded: z.number().optional(), failed: z.number().optional() }),
});
const Terminated = z.object({ message: z.string().default('') });
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

/** Makes a namespace, where Kubernetes itself refuses privileged pods, and answers its name. */
export async function makeNamespace({ api }: Cluster): Promise<string> {
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  const labels = { 'pod-security.kubernetes.io/enforce': 'baseline' };
  const { status } = await api.send('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  if (status !== 201) throw new Error(`the namespace was answered ${status}`);
  return name;
}

/** Runs it to its end, on a node of the architecture. Throws with its log if it fails. */
export async function runJob(
  job: JobToRun,
  { api }: Cluster,
  withinMs = 240_000,
): Promise<JobResult> {
  const { namespace } = job;
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const created = await api.send('POST', jobs, jobOf(job));
  if (created.status !== 201)
    throw new Error(`the Job was refused: ${JSON.stringify(created.body)}`);
  const look = async () => {
    const { succeeded, failed } = Job.parse(await api.get(`${jobs}/${job.name}`)).status;
    return succeeded || failed ? { succeeded } : undefined;
  };
  const { succeeded } = await until(`Job ${job.name} has ended`, look, withinMs);
  const selector = encodeURIComponent(`batch.kubernetes.io/job-name=${job.name}`);
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const pod = Pods.parse(await api.get(`${pods}?labelSelector=${selector}`)).items[0];
  if (!pod) throw new Error(`Job ${job.name} has no pod`);
  const log = String(await api.get(`${pods}/${pod.metadata.name}/log?container=main`));
  if (!succeeded) throw new Error(`Job ${job.name} failed:\n${log}`);
  const message = pod.status.containerStatuses[0]?.state.terminated.message ?? '';
  return { nodeName: pod.spec.nodeName, message, log };
}

function jobOf({ name, architecture, podSpec }: JobToRun): unknown {
  return {
    metadata: { name },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          nodeSelector: { 'kubernetes.io/arch': architecture, 'kubernetes.io/os': 'linux' },
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          ...podSpec,
        },
      },
    },
  };
}
