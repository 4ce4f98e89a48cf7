/** A pod's log as the API server gives it to anyone, with nothing of ours: the kubelet's and the API server's own time. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { z } from 'zod';
import { until } from '../../test/parts/until.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';

export interface PodOfBuilder {
  readonly namespace: string;
  readonly name: string;
}

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({
        containerStatuses: z
          .array(
            z.object({
              state: z.object({
                running: z.unknown().optional(),
                terminated: z.unknown().optional(),
              }),
            }),
          )
          .default([]),
      }),
    }),
  ),
});

const container = 'build';
const withinMs = 120_000;

/** Waits for the only pod of a namespace, until its container has begun, or has `ended`. */
export async function findPod(
  { namespace, ended = false }: { readonly namespace: string; readonly ended?: boolean },
  { api }: Cluster,
): Promise<PodOfBuilder> {
  const look = async (): Promise<PodOfBuilder | undefined> => {
    const pods = Pods.parse(await api.get(`/api/v1/namespaces/${namespace}/pods`)).items;
    const found = pods.find(({ status }) =>
      status.containerStatuses.some(
        ({ state }) => state.terminated !== undefined || (!ended && state.running !== undefined),
      ),
    );
    return found && { namespace, name: found.metadata.name };
  };
  return until(`a pod ${ended ? 'has ended' : 'runs'}`, look, withinMs);
}

/** The bytes of its log while they come; with `follow`, until its container ends. */
export async function openPodLog(
  { namespace, name, follow }: PodOfBuilder & { readonly follow: boolean },
  { server, credentials: { ca, certificate, key } }: Cluster,
): Promise<IncomingMessage> {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}/log`;
  const url = `${server}${path}?container=${container}&follow=${follow}`;
  const sent = get(url, { ca, cert: certificate, key, agent: false });
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`${path} was answered ${answer.statusCode}`);
  return answer;
}
