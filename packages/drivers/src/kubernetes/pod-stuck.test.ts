import { expect, test } from 'vitest';
import { EventFacts, KubeJobFacts, PodFacts } from './pod-facts.ts';
import {
  after,
  condition,
  creating,
  endedJob,
  event,
  exited,
  initialized,
  initializing,
  kubeJob,
  madeAtMs,
  pod,
  running,
  runningConditions,
  scheduled,
  waiting,
} from './pod-states.ts';
import { patienceMs, stuckOf, type Patience } from './pod-stuck.ts';

interface RecordedWait {
  readonly what: string;
  /** A file of kubernetes 1.34 that writes these words, or a public report that shows them. */
  readonly origin: string;
  readonly job?: object;
  readonly pods?: readonly object[];
  readonly events?: readonly object[];
  /** Reason, a part of its detail, whose patience, and since which second. */
  readonly is: readonly [string, string, keyof Patience, number];
}

const pulling = 'pkg/kubelet/images/image_manager.go';
const image = 'registry.example/kaniko:1';
const unpack = `failed to pull and unpack image "${image}": failed to resolve reference "${image}":`;

function pending(build: object, source: object = exited(0)): object {
  return pod({ phase: 'Pending', source, build, conditions: [initialized, scheduled] });
}

function imagePull(words: string): object {
  return pending(
    waiting('ImagePullBackOff', `Back-off pulling image "${image}": ErrImagePull: ${words}`),
  );
}

function unscheduled(reason: string, message: string): object {
  const refused = condition('PodScheduled', 'False', { reason, message, at: after(1) });
  return pod({ phase: 'Pending', conditions: [refused], nodeName: null });
}

const waits: readonly RecordedWait[] = [
  ...[
    "0/2 nodes are available: 1 Insufficient memory, 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    '0/2 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) were unschedulable.',
    'no nodes available to schedule pods',
  ].map((message) => ({
    what: `unschedulable: ${message}`,
    origin: 'pkg/scheduler/framework/types.go',
    pods: [unscheduled('Unschedulable', message)],
    is: ['NodesUnavailable', message, 'node', 1] as const,
  })),
  {
    what: 'a pod that the scheduler has not looked at',
    origin: 'pkg/registry/core/pod/strategy.go',
    pods: [pod({ phase: 'Pending', conditions: [], nodeName: null })],
    is: ['NodesUnavailable', 'scheduler', 'node', 0],
  },
  {
    what: 'an image that does not exist',
    origin: pulling,
    pods: [imagePull(`rpc error: code = NotFound desc = ${unpack} ${image}: not found`)],
    is: ['ImagePullFailed', 'not found', 'imageRefusal', 5],
  },
  {
    what: 'an image that does not exist, of a builder that another container pushes for',
    origin: pulling,
    pods: [
      pod({
        phase: 'Pending',
        build: waiting('ErrImagePull', `${unpack} ${image}: not found`),
        push: initializing,
        conditions: [scheduled],
      }),
    ],
    is: ['ImagePullFailed', 'not found', 'imageRefusal', 58],
  },
  {
    what: 'an image without the platform',
    origin: 'FoundationDB/fdb-kubernetes-operator#2294',
    pods: [
      imagePull(
        `rpc error: code = NotFound desc = failed to pull and unpack image "${image}": no match for platform in manifest: not found`,
      ),
    ],
    is: ['ImagePullFailed', 'no match for platform', 'imageRefusal', 5],
  },
  {
    what: 'an image that needs credentials',
    origin: 'kubernetes#110675, pfnet/image-pull-secrets-provisioner#31',
    pods: [
      imagePull(
        `rpc error: code = Unknown desc = ${unpack} pulling from host registry.example failed with status code [manifests 1]: 401 Unauthorized`,
      ),
    ],
    is: ['ImagePullFailed', '401', 'imageRefusal', 5],
  },
  {
    what: 'an image whose registry does not answer',
    origin: pulling,
    pods: [
      pending(
        waiting(
          'ErrImagePull',
          `${unpack} failed to do request: Head "https://registry.example/v2/kaniko/manifests/sha256:4031403": dial tcp 10.0.0.9:443: i/o timeout`,
        ),
      ),
    ],
    is: ['ImagePullFailed', 'i/o timeout', 'image', 5],
  },
  {
    what: 'an image whose registry limits the rate',
    origin: pulling,
    pods: [
      imagePull(
        `${unpack} unexpected status from HEAD request to https://registry.example/v2/kaniko/manifests/1: 429 Too Many Requests`,
      ),
    ],
    is: ['ImagePullFailed', '429', 'image', 5],
  },
  {
    what: 'an image name that is none',
    origin: pulling,
    pods: [
      pending(
        waiting(
          'InvalidImageName',
          'Failed to apply default image tag "registry.example/KANIKO": couldn\'t parse image name "registry.example/KANIKO": invalid reference format: repository name must be lowercase',
        ),
      ),
    ],
    is: ['ImagePullFailed', 'must be lowercase', 'imageMistake', 5],
  },
  {
    what: 'an image that only a node could have',
    origin: pulling,
    pods: [
      pending(
        waiting(
          'ErrImageNeverPull',
          `Container image "${image}" is not present with pull policy of Never`,
        ),
      ),
    ],
    is: ['ImagePullFailed', 'pull policy of Never', 'imageMistake', 5],
  },
  {
    what: "the source's image, which comes first",
    origin: pulling,
    pods: [pending(initializing, waiting('ErrImagePull', `${unpack} ${image}: not found`))],
    is: ['ImagePullFailed', 'not found', 'imageRefusal', 5],
  },
  {
    what: 'a Secret that is missing, in the environment',
    origin: 'kubernetes#80466',
    pods: [pending(waiting('CreateContainerConfigError', 'secret "b-1" not found'))],
    is: ['BuilderNotStarted', 'secret "b-1" not found', 'containerError', 5],
  },
  {
    what: 'a Secret that is missing, as a volume',
    origin: 'netbox-community/netbox-chart#231',
    pods: [pending(initializing, creating)],
    events: [
      event(
        'Pod',
        'FailedMount',
        'MountVolume.SetUp failed for volume "source" : secret "b-1" not found',
      ),
      event('Job', 'SuccessfulCreate', 'Created pod: b-1-x7k2p'),
    ],
    is: ['BuilderNotStarted', 'secret "b-1" not found', 'containerError', 5],
  },
  {
    what: 'a pod without a network',
    origin: 'kubernetes#92903',
    pods: [pending(initializing, creating)],
    events: [
      event(
        'Pod',
        'FailedCreatePodSandBox',
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox',
      ),
    ],
    is: ['BuilderNotStarted', 'sandbox', 'containerError', 5],
  },
  {
    what: 'a container that the runtime cannot make',
    origin: 'pkg/kubelet/kuberuntime/kuberuntime_container.go',
    pods: [pending(waiting('CreateContainerError', 'context deadline exceeded'))],
    is: ['BuilderNotStarted', 'context deadline exceeded', 'containerError', 5],
  },
  {
    what: 'a container of which nothing is said',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pending(initializing)],
    is: ['BuilderNotStarted', 'PodInitializing', 'container', 5],
  },
  {
    what: 'a node that does not take the pod up',
    origin: 'pkg/kubelet/kubelet.go',
    pods: [pod({ phase: 'Pending', conditions: [scheduled] })],
    is: ['NodeLost', 'arm-1', 'idleNode', 1],
  },
  {
    what: 'a builder at work on a node that is silent',
    origin: 'pkg/controller/util/node/controller_utils.go',
    pods: [
      pod({
        phase: 'Running',
        build: running,
        conditions: [
          initialized,
          condition('Ready', 'False', { at: after(100) }),
          condition('ContainersReady', 'True'),
          scheduled,
        ],
      }),
    ],
    is: ['NodeLost', 'does not answer', 'silentNode', 100],
  },
  {
    what: 'a deleted pod that its node does not stop',
    origin: 'pkg/controller/tainteviction/taint_eviction.go',
    pods: [
      pod({ phase: 'Running', build: running, conditions: runningConditions, deletedAfter: 70 }),
    ],
    is: ['NodeLost', 'gone', 'leaving', 70],
  },
  {
    what: 'no pod, and no word of it',
    origin: 'pkg/controller/job/job_controller.go',
    job: kubeJob({}),
    is: ['ClusterUnavailable', 'Job controller', 'pod', 0],
  },
  {
    what: 'no pod, for the quota is used up',
    origin: 'kubernetes#88718',
    job: kubeJob({}),
    events: [
      event(
        'Job',
        'FailedCreate',
        'Error creating: pods "b-1-9zfnl" is forbidden: exceeded quota: default, requested: pods=1, used: pods=9, limited: pods=9',
      ),
    ],
    is: ['QuotaExceeded', 'pods "b-1-9zfnl" is forbidden', 'quota', 0],
  },
  {
    what: 'no pod, for a rule refuses it',
    origin: 'k8s.io/pod-security-admission admission/admission.go',
    job: kubeJob({}),
    events: [
      event(
        'Job',
        'FailedCreate',
        'Error creating: pods "b-1-9zfnl" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "build" must set securityContext.allowPrivilegeEscalation=false)',
      ),
    ],
    is: ['AdmissionRefused', 'violates PodSecurity', 'admission', 0],
  },
  {
    what: 'no pod, for a webhook does not answer',
    origin: 'k8s.io/apiserver pkg/admission/plugin/webhook',
    job: kubeJob({}),
    events: [
      event(
        'Job',
        'FailedCreate',
        'Error creating: Internal error occurred: failed calling webhook "policy.example": failed to call webhook: Post "https://policy.default.svc:443/?timeout=10s": context deadline exceeded',
      ),
    ],
    is: ['ClusterUnavailable', 'failed calling webhook', 'pod', 0],
  },
  {
    what: "an event of another KubeJob's",
    origin: 'pkg/controller/controller_utils.go',
    job: kubeJob({}),
    events: [event('Pod', 'FailedCreate', 'Error creating: exceeded quota: default')],
    is: ['ClusterUnavailable', 'Job controller', 'pod', 0],
  },
];

/** What waits for nothing, or for what will come. */
const others: readonly Omit<RecordedWait, 'is'>[] = [
  {
    what: "a pod behind a gate of the cluster's own queue",
    origin: 'k8s.io/api core/v1/types.go',
    pods: [
      unscheduled('SchedulingGated', 'Scheduling is blocked due to non-empty scheduling gates'),
    ],
  },
  {
    what: 'a source at work',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pending(initializing, running)],
  },
  {
    what: 'a source that has failed',
    origin: 'pkg/kubelet/status/status_manager.go',
    pods: [pending(initializing, exited(3))],
  },
  {
    what: 'a builder at work',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ phase: 'Running', build: running, conditions: runningConditions })],
  },
  {
    what: 'a builder that has ended',
    origin: 'pkg/kubelet/kubelet_pods.go',
    pods: [pod({ build: exited(1) })],
  },
  {
    what: 'a pod that is gone, its KubeJob about to say so',
    origin: 'pkg/controller/job/job_controller.go',
    job: kubeJob({ active: 1 }),
  },
  {
    what: 'a KubeJob that has ended',
    origin: 'pkg/controller/job/job_controller.go',
    job: endedJob('Failed'),
  },
  {
    what: 'a suspended KubeJob',
    origin: 'pkg/controller/job/job_controller.go',
    job: kubeJob({ conditions: [condition('Suspended', 'True')] }),
  },
];

function stuckAt(recorded: Omit<RecordedWait, 'is'>, seconds: number, patience?: Patience) {
  const { job = kubeJob(), pods = [], events = [] } = recorded;
  const input = {
    job: KubeJobFacts.parse(job),
    pods: pods.map((item) => PodFacts.parse(item)),
    events: events.map((item) => EventFacts.parse(item)),
    nowMs: madeAtMs + seconds * 1000,
  };
  return stuckOf(input, patience);
}

test.each(waits)('$what ($origin)', (recorded) => {
  const [reason, detail, kind, since] = recorded.is;
  const failure = { reason, detail: expect.stringContaining(detail) };
  expect(stuckAt(recorded, since)).toMatchObject({ failure, waitMs: patienceMs[kind] });
  expect(stuckAt(recorded, since + 999_999)).toMatchObject({ failure, waitMs: 0 });
});

test.each(others)('$what needs no patience ($origin)', (recorded) => {
  expect(stuckAt(recorded, 999_999)).toBeUndefined();
});

test('patience runs from the time in the conditions, and can be another', () => {
  const [recorded] = waits;
  if (!recorded) throw new Error('nothing is recorded');
  expect(stuckAt(recorded, 11)).toMatchObject({ waitMs: patienceMs.node - 10_000 });
  expect(stuckAt(recorded, 11, { ...patienceMs, node: 15_000 })).toMatchObject({ waitMs: 5_000 });
});

test('a clock that is behind takes no more than the patience', () => {
  const [recorded] = waits;
  if (!recorded) throw new Error('nothing is recorded');
  expect(stuckAt(recorded, -3_600)).toMatchObject({ waitMs: patienceMs.node });
});

test('whether a rule refuses the pod is asked for as soon as that would count', () => {
  const job = KubeJobFacts.parse(kubeJob({}));
  const wait = { job, pods: [], nowMs: madeAtMs };
  expect(stuckOf(wait)).toMatchObject({ waitMs: patienceMs.admission });
  expect(stuckOf({ ...wait, events: [] })).toMatchObject({ waitMs: patienceMs.pod });
});
