/** What a driver asks the cluster about its nodes: before anything starts, and where a builder may go anywhere. */
import { failureOf, type PlatformNodes } from '@hephy/core';
import type { BuilderSpec, PreflightInput, PreflightResult } from '../driver.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import type { Toleration } from './pod-spec.ts';
import { checkNodes, nativeTrouble, Node, platformsOf } from './preflight.ts';

export interface NodesDeps {
  readonly client: Pick<KubeClient, 'list' | 'path'>;
  readonly job: { readonly tolerations: readonly Toleration[] };
}

/** Of the two seconds that a preflight may take. */
const preflightMs = 1_500;

/** A cluster that does not answer in time is a failure: what runs in it could not be started either. */
export async function preflightNodes(
  input: PreflightInput,
  { client, job: { tolerations } }: NodesDeps,
): Promise<PreflightResult> {
  const signal = AbortSignal.timeout(preflightMs);
  try {
    return checkNodes(await listNodes(client, signal), { ...input, tolerations });
  } catch (error) {
    if (!signal.aborted && !(error instanceof KubeFailure)) throw error;
    const late = `its nodes were not listed within ${preflightMs / 1000} s`;
    const detail = error instanceof KubeFailure ? error.message : late;
    return { ok: false, failure: failureOf('ClusterUnavailable', { detail }) };
  }
}

/** Rejects with a `KubeFailure` where the nodes are not listed. */
export async function platformsOfNodes({
  client,
  job: { tolerations },
  platformRefusal,
}: NodesDeps & {
  readonly platformRefusal: (platform: string) => string | undefined;
}): Promise<PlatformNodes[]> {
  return platformsOf(await listNodes(client), { tolerations, platformRefusal });
}

/** Whether the builder has to go to a node of another architecture, and may. */
export async function isForeign(
  { platform, anyNode }: BuilderSpec,
  { client, job: { tolerations } }: NodesDeps,
): Promise<boolean> {
  if (!anyNode) return false;
  return nativeTrouble(await listNodes(client), { platform, tolerations }) !== undefined;
}

const parse = (value: unknown): Node => Node.parse(value);

async function listNodes(client: NodesDeps['client'], signal?: AbortSignal): Promise<Node[]> {
  const { items } = await client.list(client.path('nodes'), parse, signal && { signal });
  return items;
}
