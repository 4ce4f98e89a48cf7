/** What a driver asks the cluster about its nodes: before anything starts, and where a builder may go anywhere. */
import { failureOf, unlessAborted, type PlatformNodes } from '@hephy/core';
import type { BuilderSpec, PreflightInput, PreflightResult } from '../driver.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import type { Toleration } from './pod-spec.ts';
import { checkNodes, nativeTrouble, Node, platformsOf } from './preflight.ts';

/** Rejects with a `KubeFailure` where the nodes are not listed, with the signal's reason when that aborts. */
export type ListNodes = (signal?: AbortSignal) => Promise<readonly Node[]>;

export interface NodesDeps {
  readonly listNodes: ListNodes;
  readonly job: { readonly tolerations: readonly Toleration[] };
}

/** Of the two seconds that a preflight may take. */
const preflightMs = 1_500;
/** An older listing that is still under way may be one that hangs. */
const sharedForMs = 500;

/** Of a thousand nodes a list is megabytes long: those who ask while one is on its way share it. */
export function createListNodes(client: Pick<KubeClient, 'list' | 'path' | 'timing'>): ListNodes {
  let underWay: { readonly since: number; readonly nodes: Promise<Node[]> } | undefined;
  const list = async (): Promise<Node[]> =>
    (await client.list(client.path('nodes'), (value) => Node.parse(value))).items;
  return async (signal) => {
    const now = client.timing.now().getTime();
    if (!underWay || now - underWay.since >= sharedForMs) {
      const listing = { since: now, nodes: list() };
      const end = (): void => {
        if (underWay === listing) underWay = undefined;
      };
      listing.nodes.then(end, end);
      underWay = listing;
    }
    return signal ? unlessAborted(underWay.nodes, signal) : underWay.nodes;
  };
}

/** A cluster that does not answer in time is a failure: what runs in it could not be started either. */
export async function preflightNodes(
  input: PreflightInput,
  { listNodes, job: { tolerations } }: NodesDeps,
): Promise<PreflightResult> {
  const signal = AbortSignal.timeout(preflightMs);
  try {
    return checkNodes(await listNodes(signal), { ...input, tolerations });
  } catch (error) {
    if (!signal.aborted && !(error instanceof KubeFailure)) throw error;
    const late = `its nodes were not listed within ${preflightMs / 1000} s`;
    const detail = error instanceof KubeFailure ? error.message : late;
    return { ok: false, failure: failureOf('ClusterUnavailable', { detail }) };
  }
}

/** Rejects with a `KubeFailure` where the nodes are not listed. */
export async function platformsOfNodes({
  listNodes,
  job: { tolerations },
  platformRefusal,
}: NodesDeps & {
  readonly platformRefusal: (platform: string) => string | undefined;
}): Promise<PlatformNodes[]> {
  return platformsOf(await listNodes(), { tolerations, platformRefusal });
}

/** Whether the builder has to go to a node of another architecture, and may. */
export async function isForeign(
  { platform, anyNode }: BuilderSpec,
  { listNodes, job: { tolerations } }: NodesDeps,
): Promise<boolean> {
  if (!anyNode) return false;
  return nativeTrouble(await listNodes(), { platform, tolerations }) !== undefined;
}
