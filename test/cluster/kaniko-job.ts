/** A build as an operator would try it by hand: one kaniko Job on a node of the architecture, without any privilege. */
import type { NodeArchitecture } from './layout.ts';
import { runJob, type JobResult } from './run-job.ts';
import type { Cluster } from './start-cluster.ts';

export interface KanikoBuild {
  readonly namespace: string;
  readonly name: string;
  readonly architecture: NodeArchitecture;
  readonly dockerfile: string;
  /** `repository:tag` in the cluster's registry. */
  readonly destination: string;
}

/** The message of its result is the digest that kaniko says it pushed. */
export function runKanikoJob(
  { namespace, name, architecture, dockerfile, destination }: KanikoBuild,
  cluster: Cluster,
  withinMs?: number,
): Promise<JobResult> {
  const { images, registry } = cluster;
  const volumeMounts = [{ name: 'workspace', mountPath: '/workspace' }];
  const source = {
    name: 'source',
    image: images.base,
    command: ['sh', '-c', 'echo "$DOCKERFILE" > /workspace/Dockerfile'],
    env: [{ name: 'DOCKERFILE', value: dockerfile }],
    volumeMounts,
  };
  const kaniko = {
    name: 'main',
    image: images.kaniko,
    args: [
      '--context=dir:///workspace',
      `--destination=${registry}/${destination}`,
      '--digest-file=/dev/termination-log',
      '--ignore-path=/product_uuid',
      '--insecure',
      '--insecure-pull',
    ],
    volumeMounts,
  };
  const podSpec = {
    initContainers: [source],
    containers: [kaniko],
    volumes: [{ name: 'workspace', emptyDir: {} }],
  };
  return runJob({ namespace, name, architecture, podSpec }, cluster, withinMs);
}
