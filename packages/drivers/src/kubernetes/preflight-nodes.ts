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
/** An older list that is still under way may be one that hangs. */
const sharedForMs = 1_000;

interface Listing {
  readonly since: number;
  readonly nodes: Promise<readonly Node[]>;
  /** From its beginning. */
  servesForMs: number;
}

/**
 * Of a thousand nodes a list is 13 MB long. Those who ask while one is on its way share it, and so do those who ask
 * within as long again as it took, a second at most: however many ask, half of the time goes without a list.
 */
export function createListNodes(client: Pick<KubeClient, 'list' | 'path' | 'timing'>): ListNodes {
  const nowMs = (): number => client.timing.now().getTime();
  let last: Listing | undefined;
  const list = async (): Promise<readonly Node[]> =>
    (await client.list(client.path('nodes'), (value) => Node.parse(value))).items;
  return async (signal) => {
    const ageMs = last ? nowMs() - last.since : 0;
    // A clock that was set back makes nothing younger than it is.
    if (!last || ageMs < 0 || ageMs >= last.servesForMs) last = begin(list(), nowMs);
    return signal ? unlessAborted(last.nodes, signal) : last.nodes;
  };
}

function begin(nodes: Listing['nodes'], nowMs: () => number): Listing {
  const listing: Listing = { since: nowMs(), nodes, servesForMs: sharedForMs };
  const answered = (): void => {
    const tookMs = nowMs() - listing.since;
    listing.servesForMs = tookMs + Math.min(tookMs, sharedForMs);
  };
  const failed = (): void => {
    listing.servesForMs = 0;
  };
  nodes.then(answered, failed);
  return listing;
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
