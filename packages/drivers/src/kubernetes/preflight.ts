/** Whether the cluster has a node for each platform, from the list of its nodes alone. */
import { failureOf } from '@hephy/core';
import { z } from 'zod';
import type { PreflightInput, PreflightResult } from '../driver.ts';
import type { Toleration } from './kube-job.ts';

const Taint = z.looseObject({
  key: z.string(),
  value: z.string().optional(),
  effect: z.string(),
});
type Taint = z.infer<typeof Taint>;

/** Of a v1 Node what decides whether a pod may go there. */
export const Node = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.looseObject({
    unschedulable: z.boolean().optional(),
    taints: z.array(Taint).optional(),
  }),
  status: z.looseObject({
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).optional(),
  }),
});
export type Node = z.infer<typeof Node>;

/** Of several platforms without a node, the first is told. */
export function checkNodes(
  nodes: readonly Node[],
  { platforms, tolerations }: PreflightInput & { readonly tolerations: readonly Toleration[] },
): PreflightResult {
  for (const platform of platforms) {
    const native = nodes.filter((node) => isOf(node, platform));
    if (native.length === 0) {
      return { ok: false, failure: failureOf('PlatformNotNative', { platform }) };
    }
    const obstacles = native.map((node) => obstacleOf(node, tolerations));
    if (obstacles.every((obstacle) => obstacle !== undefined)) {
      const detail = native.map(({ metadata }, i) => `${metadata.name} ${obstacles[i]}`).join('; ');
      return { ok: false, failure: failureOf('NodesUnavailable', { platform, detail }) };
    }
  }
  return { ok: true, warnings: [] };
}

/** A node says nothing of a variant: `linux/arm/v7` goes to any that says `arm`. */
function isOf({ metadata: { labels = {} } }: Node, platform: string): boolean {
  const [os, architecture] = platform.split('/');
  return labels['kubernetes.io/os'] === os && labels['kubernetes.io/arch'] === architecture;
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
    ({ effect, ...rest }) =>
      effect !== 'PreferNoSchedule' &&
      !tolerations.some((toleration) => tolerates(toleration, { effect, ...rest })),
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
