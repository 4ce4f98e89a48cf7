/** Whether the cluster has a node for each platform, from the list of its nodes alone. */
import { failureOf, formatDuration, type Failure, type PlatformNodes } from '@hephy/core';
import { z } from 'zod';
import type { PreflightInput, PreflightResult } from '../driver.ts';
import type { Toleration } from './pod-spec.ts';

const Taint = z.object({
  key: z.string(),
  value: z.string().optional(),
  effect: z.string(),
});
type Taint = z.infer<typeof Taint>;

/** Of a v1 Node what decides whether a pod may go there. */
export const Node = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.object({
    unschedulable: z.boolean().optional(),
    taints: z.array(Taint).optional(),
  }),
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
  }),
});
export type Node = z.infer<typeof Node>;

/** Of several platforms without a node, the first is told. */
export function checkNodes(
  nodes: readonly Node[],
  input: PreflightInput & { readonly tolerations: readonly Toleration[] },
): PreflightResult {
  const { platforms, requireNativeNodes, waitForNodesMs, tolerations } = input;
  const warnings: string[] = [];
  for (const platform of platforms) {
    const failure = nativeTrouble(nodes, { platform, tolerations });
    if (!failure) continue;
    const now = `no ready node takes ${platform} now (${failure.detail})`;
    if (waitForNodesMs !== undefined) {
      warnings.push(`${now}; its build waits up to ${formatDuration(waitForNodesMs)} for one`);
    } else if (!requireNativeNodes && hasForeignNode(nodes, { platform, tolerations })) {
      warnings.push(`${now}; on another one RUN steps fail, COPY-only Dockerfiles work`);
    } else {
      return { ok: false, failure };
    }
  }
  return { ok: true, warnings };
}

/** Each platform that nodes are of. `platformRefusal`: why builders are never for it, whatever its nodes. */
export function platformsOf(
  nodes: readonly Node[],
  {
    tolerations,
    platformRefusal,
  }: {
    readonly tolerations: readonly Toleration[];
    readonly platformRefusal: (platform: string) => string | undefined;
  },
): PlatformNodes[] {
  const byPlatform = Map.groupBy(nodes, platformOf);
  const sorted = [...byPlatform].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([platform, own]) => {
    const detail = platformRefusal(platform);
    const failure = detail
      ? failureOf('PlatformUnsupported', { platform, detail })
      : nativeTrouble(own, { platform, tolerations });
    const ready = own.filter((node) => !obstacleOf(node, tolerations));
    return { platform, nodes: own.length, readyNodes: ready.length, failure: failure ?? null };
  });
}

interface Wanted {
  readonly platform: string;
  readonly tolerations: readonly Toleration[];
}

/** Why no node of the platform's own takes a pod now; undefined when one does. */
export function nativeTrouble(
  nodes: readonly Node[],
  { platform, tolerations }: Wanted,
): Failure | undefined {
  const native = nodes.filter((node) => platformOf(node) === familyOf(platform));
  if (native.length === 0) {
    const others = [...new Set(nodes.map(platformOf))].toSorted().join(', ');
    const detail = nodes.length === 0 ? 'the cluster has no nodes' : `its nodes are ${others}`;
    return failureOf('PlatformNotNative', { platform, detail });
  }
  const obstacles = native.map((node) => obstacleOf(node, tolerations));
  if (obstacles.includes(undefined)) return undefined;
  const told = native
    .slice(0, mostTold)
    .map(({ metadata }, at) => `${metadata.name} ${obstacles[at]}`);
  const rest = native.length > mostTold ? [`and ${native.length - mostTold} more`] : [];
  return failureOf('NodesUnavailable', { platform, detail: [...told, ...rest].join('; ') });
}

const mostTold = 5;

function hasForeignNode(nodes: readonly Node[], { platform, tolerations }: Wanted): boolean {
  const os = platform.split('/', 1)[0];
  return nodes.some(
    (node) => platformOf(node).split('/', 1)[0] === os && !obstacleOf(node, tolerations),
  );
}

function platformOf({ metadata: { labels = {} } }: Node): string {
  return `${labels['kubernetes.io/os']}/${labels['kubernetes.io/arch']}`;
}

/** A node says nothing of a variant: `linux/arm/v7` goes to any that says `arm`. */
function familyOf(platform: string): string {
  return platform.split('/').slice(0, 2).join('/');
}

function obstacleOf(
  { spec, status }: Node,
  tolerations: readonly Toleration[],
): string | undefined {
  const isReady = status.conditions?.some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
  if (!isReady) return 'is not ready';
  if (spec.unschedulable) return 'is cordoned';
  const taint = spec.taints?.find(
    (one) =>
      one.effect !== 'PreferNoSchedule' &&
      !tolerations.some((toleration) => tolerates(toleration, one)),
  );
  return taint && `has the taint ${taint.key}${taint.value ? `=${taint.value}` : ''}`;
}

/** Source: k8s.io/api core/v1, Toleration.ToleratesTaint. */
function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key, effect, operator = 'Equal', value = '' } = toleration;
  if (effect !== undefined && effect !== taint.effect) return false;
  if (key !== undefined && key !== taint.key) return false;
  if (key === undefined && operator !== 'Exists') return false;
  return operator === 'Exists' || value === (taint.value ?? '');
}
