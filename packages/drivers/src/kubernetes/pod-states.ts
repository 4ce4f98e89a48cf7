/** Objects as the API server answers them, with the fields that we do not read, for the tests of what they mean. */

const uid = '6f1c9a52-6a0e-4a58-9a3b-2f7d3f1f6c11';
export const builderName = 'b-01kax3-web-linux-arm64-a1';
const name = builderName;
export const jobUid = '0b0f6a4e-6a55-4f0c-8c35-1f8f4f3b2a10';
export const podUid = uid;

/** When the KubeJob and its pod were made. All else happened some seconds after. */
export const madeAtMs = Date.parse('2026-11-22T09:00:00Z');

export function after(seconds: number): string {
  return new Date(madeAtMs + seconds * 1000).toISOString().replace('.000Z', 'Z');
}

export function condition(
  type: string,
  status: 'True' | 'False',
  more: { reason?: string; message?: string; at?: string } = {},
): object {
  const { at = after(2), ...words } = more;
  return { type, status, lastProbeTime: null, lastTransitionTime: at, ...words };
}

export const scheduled = condition('PodScheduled', 'True', { at: after(1) });
export const initialized = condition('Initialized', 'True', { at: after(5) });
const unready = { reason: 'PodFailed', at: after(60) };
export const stoppedConditions = [
  condition('PodReadyToStartContainers', 'False', { at: after(60) }),
  initialized,
  condition('Ready', 'False', unready),
  condition('ContainersReady', 'False', unready),
  scheduled,
];
export const runningConditions = [
  condition('PodReadyToStartContainers', 'True', { at: after(3) }),
  initialized,
  condition('Ready', 'True', { at: after(6) }),
  condition('ContainersReady', 'True', { at: after(6) }),
  scheduled,
];

interface Words {
  readonly reason?: string;
  readonly message?: string;
}

export const running = { running: { startedAt: after(6) } };
export const creating = waiting('ContainerCreating');
export const initializing = waiting('PodInitializing');

export function waiting(reason: string, message?: string): object {
  return { waiting: { reason, ...(message !== undefined && { message }) } };
}

export function exited(exitCode: number, words: Words = {}): object {
  const reason = exitCode === 0 ? 'Completed' : 'Error';
  const containerID = 'containerd://1f0c5d7bde6b3a8c9f2d4e6a';
  const times = { startedAt: after(6), finishedAt: after(58) };
  return { terminated: { exitCode, reason, ...times, containerID, ...words } };
}

/** What the kubelet makes up for a container of which the runtime knows nothing. Source: kubelet_pods.go. */
export const unknownExit = {
  terminated: {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
    startedAt: null,
    finishedAt: null,
  },
};

function container(of: string, state: object): object {
  return {
    name: of,
    state,
    lastState: {},
    ready: false,
    restartCount: 0,
    image: `registry.example/${of}:1`,
    imageID: '',
    started: false,
  };
}

export interface PodState extends Words {
  readonly phase?: string;
  readonly source?: object;
  readonly build?: object;
  /** Where it is said, `build` comes before it, and this is what pushes. */
  readonly push?: object;
  readonly conditions?: readonly object[];
  /** Seconds after it was made: when its deletion was asked for. */
  readonly deletedAfter?: number;
  readonly owner?: string;
  readonly nodeName?: string | null;
}

export function pod(state: PodState) {
  const { phase = 'Failed', source = exited(0), build, conditions = stoppedConditions } = state;
  const { deletedAfter, owner = jobUid, nodeName = 'arm-1', reason, message, push } = state;
  const inits = build && push ? [container('build', build)] : [];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${name}-x7k2p`,
      generateName: `${name}-`,
      namespace: 'builds',
      uid,
      resourceVersion: '1042',
      creationTimestamp: after(0),
      ...(deletedAfter !== undefined && {
        deletionTimestamp: after(deletedAfter),
        deletionGracePeriodSeconds: 2,
      }),
      labels: { 'batch.kubernetes.io/controller-uid': owner, 'job-name': name },
      finalizers: ['batch.kubernetes.io/job-tracking'],
      managedFields: [{ manager: 'kubelet', operation: 'Update', subresource: 'status' }],
    },
    spec: { restartPolicy: 'Never', ...(nodeName !== null && { nodeName }) },
    status: {
      phase,
      qosClass: 'Burstable',
      hostIP: '10.0.0.7',
      conditions,
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message }),
      ...(build && {
        initContainerStatuses: [container('source', source), ...inits],
        containerStatuses: [push ? container('push', push) : container('build', build)],
      }),
    },
  };
}

/** As a webhook of the cluster adds one; the kubelet sorts them by name. */
export function withContainer(
  of: { readonly status: { readonly containerStatuses?: readonly object[] } },
  added: { readonly name: string; readonly state: object },
): object {
  const containerStatuses = [
    container(added.name, added.state),
    ...(of.status.containerStatuses ?? []),
  ];
  return { ...of, status: { ...of.status, containerStatuses } };
}

export function kubeJob(status: object = { active: 1, ready: 1 }) {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: 'builds',
      uid: jobUid,
      resourceVersion: '1031',
      creationTimestamp: after(0),
      labels: { 'app.kubernetes.io/managed-by': 'hephy-builder' },
    },
    spec: { backoffLimit: 0, completions: 1, parallelism: 1 },
    status: { startTime: after(0), terminating: 0, uncountedTerminatedPods: {}, ...status },
  };
}

/** A KubeJob that has ended, by its last condition. */
export function endedJob(type: string, words: Words = {}): object {
  const counts = type === 'Complete' ? { succeeded: 1 } : { failed: 1 };
  return kubeJob({ ...counts, conditions: [condition(type, 'True', { at: after(61), ...words })] });
}

export function event(of: 'Job' | 'Pod', reason: string, message: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: `${name}.17a`,
      namespace: 'builds',
      uid: `${uid}-e`,
      creationTimestamp: after(1),
    },
    type: 'Warning',
    reason,
    message,
    count: 3,
    firstTimestamp: after(1),
    lastTimestamp: after(20),
    eventTime: null,
    involvedObject: { kind: of, namespace: 'builds', name, uid: of === 'Job' ? jobUid : uid },
  };
}

/** What `backoffLimit: 0` makes of any pod that failed. */
export const backoffLimit = endedJob('Failed', {
  reason: 'BackoffLimitExceeded',
  message: 'Job has reached the specified backoff limit',
});

export function disrupted(reason: string, message: string): readonly object[] {
  return [...stoppedConditions, condition('DisruptionTarget', 'True', { reason, message })];
}

/** Where a state comes from: a file of kubernetes 1.34 that writes its words, or a public report that shows it. */
export interface RecordedEnd {
  readonly what: string;
  readonly origin: string;
  /** Null: deleted. By default it runs. */
  readonly job?: object | null;
  readonly pods: readonly object[];
  readonly logTail?: string;
  /** The digest, `running`, or the reason with the exit code. */
  readonly is: string;
  /** A part of the detail. */
  readonly says?: string;
}
