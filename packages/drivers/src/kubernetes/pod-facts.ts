/**
 * What we read of a KubeJob, its pods and its events: the few fields that decide something. All else is dropped while it
 * is parsed, so that a watch over thousands of builds keeps little of each. The API leaves out what is empty, and answers
 * `null` for a time that was never set. Source: Kubernetes API 1.34, batch/v1 and core/v1.
 */
import { z } from 'zod';

/** RFC 3339, as the API sends it. */
const Time = z.string().nullish();

export const ObjectFacts = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string(),
  resourceVersion: z.string().optional(),
  creationTimestamp: Time,
  deletionTimestamp: Time,
  labels: z.record(z.string(), z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
export type ObjectFacts = z.infer<typeof ObjectFacts>;

export const ConditionFacts = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  lastTransitionTime: Time,
});
export type ConditionFacts = z.infer<typeof ConditionFacts>;

export const KubeJobFacts = z.object({
  metadata: ObjectFacts,
  status: z
    .object({
      conditions: z.array(ConditionFacts).nullish(),
      startTime: Time,
      completionTime: Time,
      active: z.number().optional(),
      failed: z.number().optional(),
      succeeded: z.number().optional(),
    })
    .optional(),
});
export type KubeJobFacts = z.infer<typeof KubeJobFacts>;

const TerminatedFacts = z.object({
  exitCode: z.number(),
  signal: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  startedAt: Time,
  finishedAt: Time,
});
export type TerminatedFacts = z.infer<typeof TerminatedFacts>;

const WaitingFacts = z.object({ reason: z.string().optional(), message: z.string().optional() });

const ContainerStateFacts = z.object({
  waiting: WaitingFacts.optional(),
  running: z.object({ startedAt: Time }).optional(),
  terminated: TerminatedFacts.optional(),
});

export const ContainerFacts = z.object({
  name: z.string(),
  state: ContainerStateFacts.optional(),
  lastState: ContainerStateFacts.optional(),
  restartCount: z.number().optional(),
});
export type ContainerFacts = z.infer<typeof ContainerFacts>;

export const PodFacts = z.object({
  metadata: ObjectFacts,
  spec: z.object({ nodeName: z.string().optional() }).optional(),
  status: z
    .object({
      phase: z.string().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      startTime: Time,
      conditions: z.array(ConditionFacts).nullish(),
      initContainerStatuses: z.array(ContainerFacts).nullish(),
      containerStatuses: z.array(ContainerFacts).nullish(),
    })
    .optional(),
});
export type PodFacts = z.infer<typeof PodFacts>;

/** What says why a KubeJob has no pod, or a pod no containers: the API records it nowhere else. */
export const EventFacts = z.object({
  metadata: ObjectFacts,
  type: z.string().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  count: z.number().nullish(),
  firstTimestamp: Time,
  lastTimestamp: Time,
  eventTime: Time,
  involvedObject: z.object({
    kind: z.string().optional(),
    name: z.string().optional(),
    uid: z.string().optional(),
  }),
});
export type EventFacts = z.infer<typeof EventFacts>;

/** The pod that counts: of this KubeJob, not of an earlier one of its name, and the last that was made. */
export function newestPod(of: {
  readonly job: KubeJobFacts | undefined;
  readonly pods: readonly PodFacts[];
}): PodFacts | undefined {
  const uid = of.job?.metadata.uid;
  return of.pods
    .filter(({ metadata: { labels } }) => {
      const owner = labels?.['batch.kubernetes.io/controller-uid'];
      return uid === undefined || owner === undefined || owner === uid;
    })
    .toSorted((a, b) => madeAt(a).localeCompare(madeAt(b)))
    .at(-1);
}

function madeAt({ metadata }: PodFacts): string {
  return metadata.creationTimestamp ?? '';
}

/** In the order in which they run. */
export function containersOf({ status }: PodFacts): readonly ContainerFacts[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

/** Whether all of the pod has stopped, and the kubelet has said all that it will say of it. */
export function isOver(pod: PodFacts): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** The condition of a pod or a KubeJob, if it is there and as asked. */
export function conditionOf(
  object: PodFacts | KubeJobFacts,
  type: string,
  status: 'True' | 'False',
): ConditionFacts | undefined {
  return object.status?.conditions?.find(
    (condition) => condition.type === type && condition.status === status,
  );
}

/**
 * The condition that says since when the node of a pod does not answer. Its kubelet is silent, so the node controller
 * denies the pod's readiness in its place, and leaves the containers' alone. Source: kubernetes 1.34, MarkPodsNotReady.
 */
export function silentNodeOf(pod: PodFacts): ConditionFacts | undefined {
  const unready = conditionOf(pod, 'Ready', 'False');
  return unready?.reason === undefined && conditionOf(pod, 'ContainersReady', 'True')
    ? unready
    : undefined;
}
