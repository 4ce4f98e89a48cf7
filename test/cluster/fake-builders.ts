/** Stands in for what builders on fake nodes do: pushes the image that each was made for, and lets its pod end. */
import { setTimeout as delay } from 'node:timers/promises';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { z } from 'zod';
import { pushImage } from '../parts/images.ts';
import { endAnnotation } from './fake-builder-stages.ts';
import type { Cluster } from './start-cluster.ts';

export interface FakeBuilder {
  readonly name: string;
  readonly os: string;
  readonly architecture: string;
  /** `repository:tag` in the cluster's registry. */
  readonly destination: string;
}

export interface FakeBuilders {
  /** Those whose pods run, and were not told to end. */
  running(): Promise<FakeBuilder[]>;
  /** Answers once their pods are told to end. */
  end(builders: readonly FakeBuilder[]): Promise<void>;
  /** Ends each as soon as it runs, until the work is done; answers what the work does. */
  endWhile<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
      spec: z.object({
        nodeSelector: z.record(z.string(), z.string()),
        containers: z.array(z.object({ args: z.array(z.string()).default([]) })),
      }),
    }),
  ),
});
type Pod = z.infer<typeof Pods>['items'][number];

const atOnce = 8;
const lookEveryMs = 100;
const selection = new URLSearchParams({
  labelSelector: 'app.kubernetes.io/managed-by=hephy-builder',
  fieldSelector: 'status.phase=Running',
});

/** Of one namespace. */
export function standInForBuilders(cluster: Cluster, namespace: string): FakeBuilders {
  const client = createRegistryClient({ registry: cluster.registry, plainHttp: true });
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const running = async (): Promise<FakeBuilder[]> => {
    const { items } = Pods.parse(await cluster.api.get(`${pods}?${selection.toString()}`));
    return items
      .filter(({ metadata }) => metadata.annotations[endAnnotation] === undefined)
      .map((pod) => builderOf(pod, cluster.registry));
  };
  const endOne = async (builder: FakeBuilder): Promise<void> => {
    const digest = await pushFor(builder, client);
    const patch = { metadata: { annotations: { [endAnnotation]: digest } } };
    const { status } = await cluster.api.send('PATCH', `${pods}/${builder.name}`, patch);
    // One that was canceled meanwhile is gone.
    if (status !== 200 && status !== 404) throw new Error(`${builder.name} was answered ${status}`);
  };
  const end = async (builders: readonly FakeBuilder[]): Promise<void> => {
    const rest = builders.values();
    const next = async (): Promise<void> => {
      for (const builder of rest) await endOne(builder);
    };
    await Promise.all(Array.from({ length: atOnce }, next));
  };
  return {
    running,
    end,
    async endWhile(work) {
      const done = new AbortController();
      const endAll = async (): Promise<void> => {
        while (!done.signal.aborted) {
          await end(await running());
          await delay(lookEveryMs);
        }
      };
      const working = work().finally(() => done.abort());
      const [answer] = await Promise.all([working, endAll()]);
      return answer;
    },
    close: () => client.close(),
  };
}

function builderOf({ metadata, spec }: Pod, registry: string): FakeBuilder {
  const flag = `--destination=${registry}/`;
  const words = spec.containers.flatMap(({ args }) => args);
  const destination = words.find((word) => word.startsWith(flag))?.slice(flag.length);
  if (destination === undefined)
    throw new Error(`${metadata.name} pushes nowhere: ${words.join(' ')}`);
  const { 'kubernetes.io/os': os = '', 'kubernetes.io/arch': architecture = '' } =
    spec.nodeSelector;
  return { name: metadata.name, os, architecture, destination };
}

function pushFor(
  { destination, os, architecture }: FakeBuilder,
  client: RegistryClient,
): Promise<string> {
  const [repository = '', tag = ''] = destination.split(':');
  return pushImage(client, { repository, tag, platform: { os, architecture } });
}
