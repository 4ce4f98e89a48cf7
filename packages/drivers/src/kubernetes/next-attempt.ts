/** What the failure of one attempt changes for the pod of the next. */
import type { Failure, Reason } from '@hephy/core';
import type { BuilderSpec } from '../driver.ts';
import type { PodFacts } from './pod-facts.ts';
import type { JobOptions } from './pod-spec.ts';

/** Another node may do better. */
const nodeFaults: ReadonlySet<Reason> = new Set([
  'NodeLost',
  'Evicted',
  'ImagePullFailed',
  'BuilderNotStarted',
  'BuilderLost',
]);

/** The failure with the pod's node, where that may be at fault. */
export function withNode(failure: Failure, pod: PodFacts | undefined): Failure {
  const node = pod?.spec?.nodeName;
  return node !== undefined && nodeFaults.has(failure.reason) ? { ...failure, node } : failure;
}

/**
 * A wish, no demand: where there is no other node of the architecture, the same one is better than none. `nodeSelector`
 * and `tolerations` hold beside it. Source: core/v1 NodeAffinity.
 */
export function affinityOf({ avoidNodes }: BuilderSpec): object | undefined {
  if (avoidNodes === undefined) return undefined;
  // The API takes one value for each.
  const others = avoidNodes.map((node) => ({
    key: 'metadata.name',
    operator: 'NotIn',
    values: [node],
  }));
  const preference = { matchFields: others };
  return {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }],
    },
  };
}

const moreMemory = 1.5;

/** Half as much again of what it may take, after an attempt that ran out of it. A fraction is a quantity, too. */
export function resourcesFor(
  spec: BuilderSpec,
  { resources }: Pick<JobOptions, 'resources'>,
): JobOptions['resources'] {
  if (!spec.moreMemory) return resources;
  const [, number = '', unit = ''] = /^([\d.]+)(\D*)$/.exec(resources.limits.memory) ?? [];
  const memory = `${Number(number) * moreMemory}${unit}`;
  return { ...resources, limits: { ...resources.limits, memory } };
}
