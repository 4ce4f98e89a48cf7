/**
 * A builder that waits for what will not come by itself: a node, an image, a Secret, room in a quota, a node that answers.
 * Kubernetes would wait without end. Each kind has its patience, counted from the time in the pod's own conditions; so
 * whoever looks gives up at the same moment.
 */
import { failureOf, type Failure } from '@hephy/core';
import { conditionOf, containersOf, isOver, newestPod, silentNodeOf } from './pod-facts.ts';
import { nodePatienceMs } from './placement.ts';
import { refusalOf } from './refusal.ts';
import type { ContainerFacts, EventFacts, KubeJobFacts, PodFacts } from './pod-facts.ts';

export const patienceMs = {
  /** For the scheduler to find a node, or an autoscaler to bring one; an app may ask for less, or for more. */
  node: 600_000,
  /** For a namespace's quota to have room. */
  quota: 600_000,
  /** For the Job controller to make the pod. */
  pod: 60_000,
  /** For a rule that refuses the pod to change. */
  admission: 30_000,
  /** For a container to be made, its image pulled, while nothing says that something is wrong. */
  container: 600_000,
  /** For the same, after an error: a Secret may come a moment after the pod. */
  containerError: 60_000,
  /** For an image whose registry does not answer. */
  image: 180_000,
  /** For an image whose registry says that there is none, or none for us. */
  imageRefusal: 20_000,
  /** For an image that no registry would be asked for. */
  imageMistake: 0,
  /** For a silent node to answer, on top of the time after which the node controller calls it silent. */
  silentNode: 60_000,
  /** For a node to take up a pod that it was given. */
  idleNode: 120_000,
  /** For a node to stop a deleted pod, on top of its grace. */
  leaving: 60_000,
} as const;

export type Patience = Readonly<Record<keyof typeof patienceMs, number>>;

export interface StuckInput {
  readonly job: KubeJobFacts | undefined;
  readonly pods: readonly PodFacts[];
  /** Of the KubeJob and its pod. Some causes are told nowhere else; to be asked for before giving up. */
  readonly events?: readonly EventFacts[];
  /** By the cluster's clock, as its answers' `Date` tells it. */
  readonly nowMs: number;
}

export interface Stuck {
  /** What it fails with if nothing changes. */
  readonly failure: Failure;
  /** How long to wait before that: 0 when patience is over. */
  readonly waitMs: number;
}

/** Undefined: it is not waiting, or for nothing that needs patience. */
export function stuckOf(input: StuckInput, patience: Patience = patienceMs): Stuck | undefined {
  const pod = newestPod(input);
  const hold = pod ? holdOfPod(pod, input.events ?? []) : holdOfKubeJob(input);
  if (!hold) return undefined;
  const heldMs = input.nowMs - Date.parse(hold.since ?? '');
  const asked = hold.for === 'node' ? nodePatienceMs(input.job) : undefined;
  const leftMs = (asked ?? patience[hold.for]) - Math.max(0, Number.isNaN(heldMs) ? 0 : heldMs);
  return { failure: hold.failure, waitMs: Math.max(0, leftMs) };
}

interface Hold {
  readonly for: keyof Patience;
  readonly since: string | null | undefined;
  readonly failure: Failure;
}

function holdOfPod(pod: PodFacts, events: readonly EventFacts[]): Hold | undefined {
  if (isOver(pod)) return undefined;
  const { deletionTimestamp } = pod.metadata;
  const node = `node ${pod.spec?.nodeName ?? 'unknown'}`;
  if (deletionTimestamp) {
    const detail = `${node} does not say that the pod is gone`;
    return { for: 'leaving', since: deletionTimestamp, failure: failureOf('NodeLost', { detail }) };
  }
  const scheduled = conditionOf(pod, 'PodScheduled', 'True');
  if (!scheduled) return holdOfUnscheduled(pod);
  const silent = silentNodeOf(pod);
  if (silent) {
    const failure = failureOf('NodeLost', { detail: `${node} does not answer` });
    return { for: 'silentNode', since: silent.lastTransitionTime, failure };
  }
  const containers = containersOf(pod);
  const next = containers.find(({ state }) => state?.terminated?.exitCode !== 0);
  if (!next) {
    const failure = failureOf('NodeLost', { detail: `${node} does not take the pod up` });
    const isIdle = containers.length === 0;
    return isIdle ? { for: 'idleNode', since: scheduled.lastTransitionTime, failure } : undefined;
  }
  const initialized = conditionOf(pod, 'Initialized', 'True')?.lastTransitionTime;
  const before = containers[containers.indexOf(next) - 1]?.state?.terminated?.finishedAt;
  const since = initialized ?? before ?? scheduled.lastTransitionTime;
  const hold = holdOfContainer(next, eventOf(events, pod.metadata.uid, podTroubles));
  return hold && { ...hold, since };
}

function holdOfUnscheduled(pod: PodFacts): Hold | undefined {
  const refused = conditionOf(pod, 'PodScheduled', 'False');
  // Whoever put the gate there lets it in, in time: a queue of the cluster's own.
  if (refused?.reason === 'SchedulingGated') return undefined;
  const since = refused?.lastTransitionTime ?? pod.metadata.creationTimestamp;
  const detail = refused?.message ?? 'the scheduler has not looked at it';
  return { for: 'node', since, failure: failureOf('NodesUnavailable', { detail }) };
}

const podTroubles = ['FailedMount', 'FailedAttachVolume', 'FailedCreatePodSandBox'];

/** What containerd and CRI-O pass on from a registry that will say the same next time. */
const imageRefusal =
  /not found|manifest unknown|name unknown|denied|401 Unauthorized|403 Forbidden|insufficient_scope/i;
const imageTroubles = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);
const imageMistakes = new Set(['InvalidImageName', 'ErrImageNeverPull']);

function holdOfContainer(
  { name, state }: ContainerFacts,
  trouble: EventFacts | undefined,
): Omit<Hold, 'since'> | undefined {
  if (!state?.waiting) return undefined;
  const { reason = 'ContainerCreating', message = '' } = state.waiting;
  const isMistake = imageMistakes.has(reason);
  if (isMistake || imageTroubles.has(reason)) {
    const failure = failureOf('ImagePullFailed', { detail: message || reason });
    if (isMistake) return { for: 'imageMistake', failure };
    return { for: imageRefusal.test(message) ? 'imageRefusal' : 'image', failure };
  }
  if (reason !== 'ContainerCreating' && reason !== 'PodInitializing') {
    const detail = `${name}: ${reason}: ${message}`;
    return { for: 'containerError', failure: failureOf('BuilderNotStarted', { detail }) };
  }
  const detail = trouble?.message ?? `${name} is still waiting: ${reason}`;
  const failure = failureOf('BuilderNotStarted', { detail });
  return { for: trouble ? 'containerError' : 'container', failure };
}

function holdOfKubeJob({ job, events }: StuckInput): Hold | undefined {
  if (!job || conditionOf(job, 'Suspended', 'True')) return undefined;
  const { active = 0, failed = 0, succeeded = 0 } = job.status ?? {};
  if (active + failed + succeeded > 0) return undefined;
  const since = job.metadata.creationTimestamp;
  const refusal = eventOf(events ?? [], job.metadata.uid, ['FailedCreate'])?.message;
  if (refusal === undefined) {
    const detail = 'no pod is made for its KubeJob; is the Job controller at work?';
    const failure = failureOf('ClusterUnavailable', { detail });
    // Events are asked for once patience is over; a refusal is known no sooner.
    return { for: events ? 'pod' : 'admission', since, failure };
  }
  const failure = refusalOf(refusal);
  if (failure.reason === 'QuotaExceeded') return { for: 'quota', since, failure };
  return { for: failure.reason === 'AdmissionRefused' ? 'admission' : 'pod', since, failure };
}

/** The last of those that tell of a trouble of that object. */
function eventOf(
  events: readonly EventFacts[],
  uid: string,
  reasons: readonly string[],
): EventFacts | undefined {
  return events
    .filter(
      ({ involvedObject, reason = '' }) => involvedObject.uid === uid && reasons.includes(reason),
    )
    .toSorted((a, b) => lastSeen(a).localeCompare(lastSeen(b)))
    .at(-1);
}

function lastSeen({ lastTimestamp, eventTime, firstTimestamp }: EventFacts): string {
  return lastTimestamp ?? eventTime ?? firstTimestamp ?? '';
}
