/** What a cluster does to a builder, as the API server tells it. */
import {
  after,
  backoffLimit,
  condition,
  disrupted,
  endedJob,
  exited,
  initialized,
  pod,
  running,
  runningConditions,
  scheduled,
  unknownExit,
  type RecordedEnd,
} from './pod-states.ts';

const sigterm = exited(143);
const sigkill = exited(137);
const lowOnDisk =
  'The node was low on resource: ephemeral-storage. Threshold quantity: 2146223340, available: 1883424Ki. ';
const lowOnMemory =
  'The node was low on resource: memory. Threshold quantity: 100Mi, available: 46300Ki. Container build was using 3712508Ki, request is 1Gi, has larger consumption of memory. ';
const shutdown = 'Pod was terminated in response to imminent node shutdown.';
const preempting = 'default-scheduler: preempting to accommodate a higher priority pod';
const taint = {
  reason: 'DeletionByTaintManager',
  message: 'Taint manager: deleting due to NoExecute taint',
};
const status = 'pkg/kubelet/status/status_manager.go';
const eviction = 'pkg/kubelet/eviction/helpers.go';

export const clusterEnds: readonly RecordedEnd[] = [
  {
    what: 'evicted from a node low on disk',
    origin: `${eviction}, cloud-ark/kubeplus#1382`,
    pods: [
      pod({
        reason: 'Evicted',
        message: lowOnDisk,
        build: sigkill,
        conditions: disrupted('TerminationByKubelet', lowOnDisk),
      }),
    ],
    is: 'Evicted',
    says: 'low on resource: ephemeral-storage',
  },
  {
    what: 'evicted from a node low on memory, its container lost',
    origin: `${eviction}, kubernetes#122932`,
    pods: [
      pod({
        reason: 'Evicted',
        message: lowOnMemory,
        build: unknownExit,
        conditions: disrupted('TerminationByKubelet', lowOnMemory),
      }),
    ],
    is: 'Evicted',
    says: 'low on resource: memory',
  },
  {
    what: 'evicted, its exit told before the eviction',
    origin: status,
    pods: [pod({ phase: 'Running', build: sigkill, conditions: runningConditions })],
    logTail: 'nothing known',
    is: 'running',
  },
  {
    what: 'not let in by a node under pressure',
    origin: 'operate-first/apps#1352',
    pods: [
      pod({
        reason: 'Evicted',
        message: 'Pod was rejected: The node had condition: [DiskPressure]. ',
        conditions: [scheduled],
      }),
    ],
    is: 'Evicted',
    says: 'DiskPressure',
  },
  ...[
    'Pod ephemeral local storage usage exceeds the total limit of containers 8Gi. ',
    'Container build exceeded its local ephemeral storage limit "8Gi". ',
    'Usage of EmptyDir volume "workspace" exceeds the limit "4Gi". ',
  ].map((message) => ({
    what: `over its own limit: ${message}`,
    origin: eviction,
    pods: [pod({ reason: 'Evicted', message, build: sigkill })],
    is: 'DiskFull',
    says: message.trim(),
  })),
  {
    what: 'preempted by the scheduler',
    origin: 'pkg/scheduler/framework/preemption/preemption.go',
    job: endedJob('FailureTarget', { reason: 'PodFailurePolicy' }),
    pods: [
      pod({
        build: sigterm,
        deletedAfter: 50,
        conditions: disrupted('PreemptionByScheduler', preempting),
      }),
    ],
    is: 'Evicted',
    says: preempting,
  },
  {
    what: 'about to be preempted',
    origin: 'kubernetes#114623',
    pods: [
      pod({
        phase: 'Running',
        build: running,
        conditions: [
          ...runningConditions,
          condition('DisruptionTarget', 'True', { reason: 'PreemptionByScheduler' }),
        ],
      }),
    ],
    is: 'running',
  },
  {
    what: 'preempted by the kubelet for a critical pod',
    origin: 'pkg/kubelet/preemption/preemption.go',
    pods: [
      pod({
        reason: 'Preempting',
        message: 'Preempted in order to admit critical pod',
        build: sigkill,
        conditions: disrupted(
          'TerminationByKubelet',
          'Pod was preempted by Kubelet to accommodate a critical pod.',
        ),
      }),
    ],
    is: 'Evicted',
    says: 'critical pod',
  },
  {
    what: 'drained',
    origin: 'pkg/registry/core/pod/storage/eviction.go',
    pods: [
      pod({
        build: sigterm,
        deletedAfter: 50,
        conditions: disrupted('EvictionByEvictionAPI', 'Eviction API: evicting'),
      }),
    ],
    is: 'Evicted',
    says: 'Eviction API',
  },
  {
    what: 'put out by a taint, on a node that answers',
    origin: 'pkg/controller/tainteviction/taint_eviction.go',
    pods: [
      pod({
        build: sigterm,
        deletedAfter: 50,
        conditions: disrupted(taint.reason, taint.message),
      }),
    ],
    is: 'Evicted',
    says: 'NoExecute',
  },
  {
    what: 'put out by a taint a moment ago, on a node that answers',
    origin: 'pkg/controller/tainteviction/taint_eviction.go',
    pods: [
      pod({
        phase: 'Running',
        build: running,
        deletedAfter: 50,
        conditions: [...runningConditions, condition('DisruptionTarget', 'True', taint)],
      }),
    ],
    is: 'running',
  },
  {
    what: 'put out by a taint, on a node that is silent',
    origin: 'pkg/controller/util/node/controller_utils.go',
    pods: [
      pod({
        phase: 'Running',
        build: running,
        deletedAfter: 400,
        conditions: [
          initialized,
          condition('Ready', 'False', { at: after(100) }),
          condition('ContainersReady', 'True'),
          scheduled,
          condition('DisruptionTarget', 'True', taint),
        ],
      }),
    ],
    is: 'NodeLost',
    says: 'arm-1',
  },
  {
    what: 'on a node that was removed',
    origin: 'pkg/controller/podgc/gc_controller.go',
    pods: [
      pod({
        build: running,
        deletedAfter: 400,
        conditions: disrupted('DeletionByPodGC', 'PodGC: node no longer exists'),
      }),
    ],
    is: 'NodeLost',
    says: 'no longer exists',
  },
  {
    what: 'on a node that an older cluster calls lost',
    origin: 'pkg/util/node/node.go',
    pods: [
      pod({
        phase: 'Unknown',
        reason: 'NodeLost',
        message: 'Node arm-1 which was running pod b-x7k2p is unresponsive',
        build: running,
        deletedAfter: 400,
      }),
    ],
    is: 'NodeLost',
    says: 'unresponsive',
  },
  {
    what: 'on a node that shuts down',
    origin: 'pkg/kubelet/nodeshutdown/nodeshutdown_manager.go',
    pods: [
      pod({
        reason: 'Terminated',
        message: shutdown,
        build: sigterm,
        conditions: disrupted('TerminationByKubelet', shutdown),
      }),
    ],
    is: 'NodeLost',
    says: 'shutdown',
  },
  {
    what: 'on a node that is about to shut down',
    origin: 'kubernetes#104531',
    pods: [pod({ phase: 'Running', reason: 'Terminated', message: shutdown, build: running })],
    is: 'running',
  },
  ...[
    ['NodeShutdown', 'Pod was rejected as the node is shutting down.', 'NodeLost'],
    ['NodeAffinity', 'Predicate NodeAffinity failed', 'Evicted'],
    [
      'OutOfmemory',
      "Node didn't have enough resource: memory, requested: 2147483648, used: 7516192768, capacity: 8201236480",
      'Evicted',
    ],
    [
      'OutOfpods',
      "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110",
      'Evicted',
    ],
    [
      'UnexpectedAdmissionError',
      'Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: pods, q: 1), ]',
      'Evicted',
    ],
  ].map(([reason = '', message = '', is = '']) => ({
    what: `not let in by the kubelet: ${reason}`,
    origin: 'pkg/kubelet/kubelet.go and lifecycle/predicate.go, kubernetes#109663, #111174',
    job: backoffLimit,
    pods: [pod({ reason, message: `Pod was rejected: ${message}`, conditions: [scheduled] })],
    is,
    says: message,
  })),
  {
    what: 'deleted by somebody, its KubeJob not there yet',
    origin: 'pkg/controller/job/job_controller.go',
    pods: [pod({ build: exited(2), deletedAfter: 50 })],
    logTail: 'nothing known',
    is: 'running',
  },
  {
    what: 'deleted by somebody',
    origin: 'pkg/controller/job/job_controller.go',
    job: backoffLimit,
    pods: [pod({ build: exited(2), deletedAfter: 50 })],
    logTail: 'nothing known',
    is: 'BuilderLost',
    says: 'deleted',
  },
  {
    what: 'gone without a word',
    origin: 'pkg/controller/job/job_controller.go',
    job: backoffLimit,
    pods: [],
    is: 'BuilderLost',
    says: 'pod is gone',
  },
  {
    what: 'gone after a disruption that only the KubeJob still tells',
    origin: 'pkg/controller/job/pod_failure_policy.go',
    job: endedJob('Failed', {
      reason: 'PodFailurePolicy',
      message: 'Pod builds/b-x7k2p has condition DisruptionTarget matching FailJob rule at index 0',
    }),
    pods: [],
    is: 'Evicted',
    says: 'DisruptionTarget',
  },
  {
    what: 'gone after it ended well',
    origin: 'pkg/controller/podgc/gc_controller.go',
    job: endedJob('Complete', { reason: 'CompletionsReached' }),
    pods: [],
    is: 'BuilderLost',
    says: 'digest is gone',
  },
  {
    what: 'its KubeJob deleted, and its pod with it',
    origin: 'pkg/controller/garbagecollector',
    job: null,
    pods: [],
    is: 'BuilderLost',
    says: 'KubeJob was deleted',
  },
  {
    what: 'over, and no container has an exit code',
    origin: 'pkg/kubelet/kubelet.go',
    pods: [pod({ conditions: [scheduled] })],
    is: 'BuilderLost',
    says: 'exit code',
  },
];
