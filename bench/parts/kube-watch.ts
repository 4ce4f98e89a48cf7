/** KubeJobs of a namespace as whoever watches the API server hears of them. Times are milliseconds since 1970. */
import { setTimeout as delay } from 'node:timers/promises';
import { createKubeClient, loadKubeConfig, type KubeClient } from '@hephy/drivers';
import { z } from 'zod';
import { watchObjects } from '../../packages/drivers/src/kubernetes/watch-objects.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';

const KubeJob = z.looseObject({
  metadata: z.object({
    name: z.string(),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.looseObject({ template: z.object({ spec: z.unknown() }) }),
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
  }),
});
export type KubeJob = z.infer<typeof KubeJob>;

const Container = z.object({
  state: z.object({ terminated: z.object({ exitCode: z.number() }).optional() }),
});
const Pod = z.object({
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
  status: z.object({ containerStatuses: z.array(Container).default([]) }),
});
type Pod = z.infer<typeof Pod>;

export interface KubeWatch {
  /** The KubeJobs that are not there now, once so many have been made. */
  made(count: number): Promise<{ kubeJobs: KubeJob[]; at: number }>;
  /** When kaniko has ended in the KubeJob's pod. Throws if it failed. */
  built(name: string): Promise<number>;
  /** When the KubeJob says that it is complete: its pod has been cleared away on the node, and its controller has looked at it. */
  complete(name: string): Promise<number>;
  /** No pod is left. */
  empty(): Promise<unknown>;
  close(): Promise<void>;
}

/** The first pod of an emulated node has its images to pull. */
const limit = (): AbortSignal => AbortSignal.timeout(300_000);
const all = 'all';

export async function watchKubeJobs(cluster: Cluster, namespace: string): Promise<KubeWatch> {
  const client = await openClient(cluster, namespace);
  const kubeJobs = watchAll(client, 'jobs', KubeJob);
  const pods = watchAll(client, 'pods', Pod);
  await Promise.all([kubeJobs.ready, pods.ready]);
  return {
    async made(count) {
      const before = new Set(kubeJobs.all().map(({ metadata }) => metadata.name));
      const look = (there: readonly KubeJob[]) => {
        const fresh = there.filter(({ metadata }) => !before.has(metadata.name));
        return fresh.length === count ? fresh : undefined;
      };
      return { kubeJobs: await kubeJobs.waitFor(all, look, limit()), at: Date.now() };
    },
    built: (name) => pods.waitFor(all, (there) => endOf(name, there), limit()),
    complete: (name) => kubeJobs.waitFor(all, (there) => completionOf(name, there), limit()),
    empty: () => pods.waitFor(all, (there) => (there.length === 0 ? true : undefined), limit()),
    async close() {
      kubeJobs.close();
      pods.close();
      await client.close();
    },
  };
}

async function openClient({ kubeconfig }: Cluster, namespace: string): Promise<KubeClient> {
  return createKubeClient({
    kubeConfig: await loadKubeConfig(kubeconfig),
    namespace,
    now: () => new Date(),
    random: Math.random,
    wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
  });
}

function watchAll<T>(client: KubeClient, resource: 'jobs' | 'pods', schema: z.ZodType<T>) {
  return watchObjects({
    client,
    path: client.path(resource),
    labelSelector: '',
    parse: (value) => schema.parse(value),
    ownerOf: () => all,
    onError: (error) => console.error('bench: the watch:', error),
  });
}

function endOf(kubeJobName: string, pods: readonly Pod[]): number | undefined {
  const pod = pods.find(
    ({ metadata: { labels } }) => labels['batch.kubernetes.io/job-name'] === kubeJobName,
  );
  const exitCode = pod?.status.containerStatuses[0]?.state.terminated?.exitCode;
  if (exitCode) throw new Error(`kaniko of ${kubeJobName} exited ${exitCode}`);
  return exitCode === undefined ? undefined : Date.now();
}

function completionOf(name: string, kubeJobs: readonly KubeJob[]): number | undefined {
  const kubeJob = kubeJobs.find(({ metadata }) => metadata.name === name);
  const isComplete = kubeJob?.status.conditions.some(
    ({ type, status }) => type === 'Complete' && status === 'True',
  );
  return isComplete ? Date.now() : undefined;
}
