/** What a builder does by itself, as the API server tells it: ends, and what is none. */
import {
  backoffLimit,
  condition,
  disrupted,
  endedJob,
  exited,
  initializing,
  kubeJob,
  pod,
  running,
  runningConditions,
  unknownExit,
  waiting,
  withContainer,
  type RecordedEnd,
} from './pod-states.ts';

const digest = `sha256:${'5ca1ab1e'.repeat(8)}`;
const pushed = exited(0, { message: `${digest}\n` });
const sigkill = exited(137);
const status = 'pkg/kubelet/status/status_manager.go';

export const builderEnds: readonly RecordedEnd[] = [
  {
    what: 'exit 0 with its digest, before the pod has its phase',
    origin: status,
    pods: [pod({ phase: 'Running', build: pushed, conditions: runningConditions })],
    is: digest,
  },
  {
    what: 'exit 0 with its digest, all ended',
    origin: 'pkg/controller/job/job_controller.go',
    job: endedJob('Complete', { reason: 'CompletionsReached' }),
    pods: [pod({ phase: 'Succeeded', build: pushed })],
    is: digest,
  },
  {
    what: 'exit 0 of a builder in which a process was killed for memory',
    origin: 'kubernetes#131530',
    pods: [pod({ phase: 'Succeeded', build: exited(0, { reason: 'OOMKilled', message: digest }) })],
    is: digest,
  },
  {
    what: 'exit 0 of a builder that was over its disk limit at the end',
    origin: 'kubernetes#141483',
    pods: [pod({ phase: 'Succeeded', build: pushed })],
    is: digest,
  },
  {
    what: 'exit 0 while its node is drained',
    origin: 'pkg/registry/core/pod/storage/eviction.go',
    pods: [
      pod({
        phase: 'Running',
        build: pushed,
        deletedAfter: 50,
        conditions: disrupted('EvictionByEvictionAPI', 'Eviction API: evicting'),
      }),
    ],
    is: digest,
  },
  {
    what: 'exit 0 without a digest',
    origin: status,
    pods: [pod({ phase: 'Succeeded', build: exited(0) })],
    is: 'DigestMissing',
  },
  {
    what: 'exit 0 with something else than a digest',
    origin: status,
    pods: [pod({ phase: 'Succeeded', build: exited(0, { message: 'sha256:latest' }) })],
    is: 'DigestMissing',
  },
  {
    what: 'a digest that was written before the push failed',
    origin: 'kaniko pkg/executor/push.go',
    job: backoffLimit,
    pods: [pod({ build: exited(1, { message: digest }) })],
    is: 'BuildFailed 1',
  },
  {
    what: 'a failing step that the log explains, before the pod has its phase',
    origin: status,
    pods: [pod({ phase: 'Running', build: exited(3), conditions: runningConditions })],
    logTail: 'step failed',
    is: 'BuildFailed 3',
    says: 'Dockerfile:4',
  },
  {
    what: 'a refused push that the log explains',
    origin: 'kaniko pkg/executor/push.go',
    pods: [pod({ build: exited(1, { message: digest }) })],
    logTail: 'push refused',
    is: 'PushDenied',
  },
  {
    what: 'an exit code that the log does not explain, before the pod has its phase',
    origin: status,
    pods: [pod({ phase: 'Running', build: exited(1), conditions: runningConditions })],
    logTail: 'nothing known',
    is: 'running',
  },
  {
    what: 'an exit code that the log does not explain',
    origin: status,
    pods: [pod({ build: exited(1) })],
    logTail: 'nothing known',
    is: 'BuildFailed 1',
  },
  {
    what: 'an explained failure of a pod that was deleted afterwards',
    origin: 'pkg/controller/job/job_controller.go',
    job: backoffLimit,
    pods: [pod({ build: exited(3), deletedAfter: 90 })],
    logTail: 'step failed',
    is: 'BuildFailed 3',
  },
  {
    what: 'killed for memory',
    origin: 'containerd internal/cri/server/events.go',
    pods: [pod({ build: exited(137, { reason: 'OOMKilled' }) })],
    is: 'OutOfMemory',
    says: 'build',
  },
  {
    what: 'a step killed for memory, so that the builder exits 1',
    origin: 'kubernetes#140718',
    pods: [pod({ build: exited(1, { reason: 'OOMKilled' }) })],
    logTail: 'step failed',
    is: 'OutOfMemory',
  },
  {
    what: 'the source killed for memory',
    origin: 'containerd internal/cri/server/events.go',
    pods: [pod({ source: exited(137, { reason: 'OOMKilled' }), build: initializing })],
    is: 'SourceUnavailable',
    says: 'memory limit',
  },
  {
    what: 'a failing step in a pod to which the cluster added a container of its own',
    origin: 'istio/istio#6324',
    pods: [
      withContainer(pod({ phase: 'Running', build: exited(3) }), {
        name: 'aaa-proxy',
        state: exited(143),
      }),
    ],
    logTail: 'step failed',
    is: 'BuildFailed 3',
  },
  {
    what: 'asked to stop, and nobody says why',
    origin: 'flyteorg/flyte#8067',
    pods: [pod({ build: exited(143) })],
    logTail: 'nothing known',
    is: 'BuilderLost',
  },
  {
    what: 'killed, and nobody says why',
    origin: 'kubernetes#122256',
    pods: [pod({ build: sigkill })],
    logTail: 'nothing known',
    is: 'BuilderLost',
  },
  {
    what: 'a container of which the runtime knows nothing',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ build: unknownExit })],
    is: 'BuilderLost',
    says: 'could not be located',
  },
  {
    what: 'a source that failed',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ source: exited(3, { message: 'sha256 differs\n' }), build: initializing })],
    is: 'SourceUnavailable 3',
    says: 'sha256 differs',
  },
  {
    what: 'a source that failed, before the pod has its phase',
    origin: status,
    pods: [pod({ phase: 'Pending', source: exited(3), build: initializing })],
    is: 'running',
  },
  {
    what: 'an image without the program',
    origin: 'cri-o#9136',
    pods: [
      pod({
        build: exited(128, {
          reason: 'StartError',
          message:
            'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/kaniko/executor": stat /kaniko/executor: no such file or directory: unknown',
        }),
      }),
    ],
    is: 'BuilderMissing',
    says: '/kaniko/executor',
  },
  {
    what: 'a runtime too busy to start it',
    origin: 'containerd#4068',
    pods: [
      pod({
        build: exited(128, {
          reason: 'StartError',
          message: 'failed to create containerd task: context deadline exceeded: unknown',
        }),
      }),
    ],
    is: 'BuilderNotStarted',
    says: 'context deadline',
  },
  {
    what: "the KubeJob's deadline, told before its pods are stopped",
    origin: 'pkg/controller/job/job_controller.go',
    job: kubeJob({
      active: 1,
      conditions: [
        condition('FailureTarget', 'True', {
          reason: 'DeadlineExceeded',
          message: 'Job was active longer than specified deadline',
        }),
      ],
    }),
    pods: [pod({ phase: 'Running', build: running, conditions: runningConditions })],
    is: 'TimeLimitExceeded',
  },
  {
    what: "the KubeJob's deadline, its pod gone",
    origin: 'kubernetes#117303',
    job: endedJob('Failed', {
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    }),
    pods: [],
    is: 'TimeLimitExceeded',
  },
  {
    what: "the pod's deadline",
    origin: 'pkg/kubelet/active_deadline.go',
    pods: [
      pod({
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
        build: sigkill,
      }),
    ],
    is: 'TimeLimitExceeded',
  },
];

/** Everything that is not an end. */
export const runningStates: readonly RecordedEnd[] = [
  { what: 'no pod yet', origin: 'pkg/controller/job', job: kubeJob({}), pods: [], is: 'running' },
  {
    what: 'a pod that nobody has looked at',
    origin: 'pkg/registry/core/pod/strategy.go',
    pods: [pod({ phase: 'Pending', conditions: [], nodeName: null })],
    is: 'running',
  },
  {
    what: 'a pod that waits for its image',
    origin: 'pkg/kubelet/images/image_manager.go',
    pods: [
      pod({
        phase: 'Pending',
        source: waiting('ImagePullBackOff', 'Back-off'),
        build: initializing,
      }),
    ],
    is: 'running',
  },
  {
    what: 'a source at work',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ phase: 'Pending', source: running, build: initializing })],
    is: 'running',
  },
  {
    what: 'a builder at work',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ phase: 'Running', build: running, conditions: runningConditions })],
    is: 'running',
  },
  {
    what: 'a builder at work whose KubeJob ended earlier than the pods are told',
    origin: 'pkg/controller/job/job_controller.go',
    job: backoffLimit,
    pods: [pod({ phase: 'Running', build: running, conditions: runningConditions })],
    is: 'running',
  },
  {
    what: 'a pod of an earlier KubeJob of the name',
    origin: 'pkg/controller/garbagecollector',
    job: kubeJob({}),
    pods: [pod({ build: exited(1), owner: 'another' })],
    is: 'running',
  },
  {
    what: 'a suspended KubeJob',
    origin: 'pkg/controller/job/job_controller.go',
    job: kubeJob({ conditions: [condition('Suspended', 'True', { reason: 'JobSuspended' })] }),
    pods: [pod({ build: exited(2), deletedAfter: 50 })],
    is: 'running',
  },
];
