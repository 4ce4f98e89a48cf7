import { expect, test } from 'vitest';
import { placed } from './placement.ts';
import { KubeJobFacts, PodFacts } from './pod-facts.ts';
import { after, condition, kubeJob, madeAtMs, pod } from './pod-states.ts';
import { stuckOf } from './pod-stuck.ts';

const nodeSelector = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' };
const job = {
  metadata: { ...KubeJobFacts.parse(kubeJob()).metadata, annotations: { kept: 'yes' } },
  spec: { template: { spec: { nodeSelector } } },
};

test('a builder on a node of its own is left as it is', () => {
  expect(placed(job, { isForeign: false })).toEqual(job);
});

test('a builder on any node keeps its system, and nothing of the given KubeJob changes', () => {
  expect(placed(job, { isForeign: true })).toEqual({
    ...job,
    spec: { template: { spec: { nodeSelector: { 'kubernetes.io/os': 'linux' } } } },
  });
  expect(nodeSelector).toHaveProperty(['kubernetes.io/arch']);
});

test.each([
  [undefined, 300_000],
  [1_200_000, 900_000],
  [60_000, 0],
])(
  'an app that lets nodes come within %s ms is read from the KubeJob',
  (waitForNodesMs, waitMs) => {
    const placedJob = placed(job, {
      isForeign: false,
      ...(waitForNodesMs !== undefined && { waitForNodesMs }),
    });
    const unscheduled = condition('PodScheduled', 'False', {
      reason: 'Unschedulable',
      at: after(1),
    });
    const waiting = pod({ phase: 'Pending', conditions: [unscheduled], nodeName: null });
    const stuck = stuckOf({
      job: KubeJobFacts.parse(placedJob),
      pods: [PodFacts.parse(waiting)],
      nowMs: madeAtMs + 301_000,
    });
    expect(stuck?.waitMs).toBe(waitMs);
  },
);
