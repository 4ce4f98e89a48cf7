/** How builders end that may not push, as the API server tells it: what counts comes from the container that pushes. */
import {
  backoffLimit,
  condition,
  endedJob,
  exited,
  initializing,
  pod,
  running,
  scheduled,
  stoppedConditions,
  type RecordedEnd,
} from './pod-states.ts';

const digest = `sha256:${'5ca1ab1e'.repeat(8)}`;
const anotherDigest = `sha256:${'0'.repeat(64)}`;
/** What a step of the Dockerfile leaves in the termination log is said of its own container. */
const built = exited(0, { message: anotherDigest });
const uninitialized = [condition('Initialized', 'False'), scheduled];
const status = 'pkg/kubelet/kubelet_pods.go';
const ours = 'apps/cli/src/commands/push-layout.ts';

export const splitEnds: readonly RecordedEnd[] = [
  {
    what: 'the digest of what was pushed, whatever the build says it made',
    origin: ours,
    job: endedJob('Complete'),
    pods: [pod({ phase: 'Succeeded', build: built, push: exited(0, { message: digest }) })],
    is: digest,
  },
  {
    what: 'a build that has ended well and was not pushed yet',
    origin: status,
    pods: [pod({ phase: 'Pending', build: built, push: initializing, conditions: uninitialized })],
    is: 'running',
  },
  {
    what: 'a build that is being pushed',
    origin: status,
    pods: [pod({ phase: 'Running', build: built, push: running, conditions: [scheduled] })],
    is: 'running',
  },
  {
    what: 'a failing step, after which nothing is pushed',
    origin: status,
    job: backoffLimit,
    pods: [pod({ build: exited(1, { message: digest }), push: initializing })],
    logTail: 'step failed',
    is: 'BuildFailed 1',
    says: 'Dockerfile:4',
  },
  {
    what: 'a build that went over its memory',
    origin: status,
    job: backoffLimit,
    pods: [pod({ build: exited(137, { reason: 'OOMKilled' }), push: initializing })],
    is: 'OutOfMemory',
  },
  {
    what: 'a build that left no image',
    origin: ours,
    job: backoffLimit,
    pods: [
      pod({
        build: built,
        push: exited(1, { message: 'LayoutInvalid: blobs/sha256/x is not of the image' }),
      }),
    ],
    is: 'LayoutInvalid',
    says: 'not of the image',
  },
  {
    what: 'a registry that denies the push, whatever the log of the build says',
    origin: ours,
    job: backoffLimit,
    pods: [pod({ build: built, push: exited(1, { message: 'PushDenied: registry.test 403' }) })],
    logTail: 'step failed',
    is: 'PushDenied',
    says: 'registry.test 403',
  },
  {
    what: 'a push that was killed',
    origin: status,
    job: backoffLimit,
    pods: [pod({ build: built, push: exited(137) })],
    is: 'BuilderLost 137',
  },
  {
    what: 'a push that went over its memory',
    origin: status,
    job: backoffLimit,
    pods: [pod({ build: built, push: exited(137, { reason: 'OOMKilled' }) })],
    is: 'BuilderLost',
    says: 'the container push went over its memory limit',
  },
  {
    what: 'a push that left no digest',
    origin: ours,
    job: endedJob('Complete'),
    pods: [pod({ phase: 'Succeeded', build: built, push: exited(0) })],
    is: 'DigestMissing',
  },
  {
    what: 'a layout that is too large for its volume',
    origin: 'pkg/kubelet/eviction/eviction_manager.go',
    pods: [
      pod({
        reason: 'Evicted',
        message: 'Usage of EmptyDir volume "layout" exceeds the limit "20Gi". ',
        build: exited(137),
        push: initializing,
        conditions: stoppedConditions,
      }),
    ],
    is: 'DiskFull',
    says: 'layout',
  },
];
