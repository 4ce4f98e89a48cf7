/**
 * What the end of a KubeJob means for the build. A KubeJob makes one pod and never a second one (`backoffLimit: 0`, and
 * no rule of its `podFailurePolicy` ignores a failure), as pod-spec.ts draws it. Its digest is the last word of its last
 * container: what an init container says is that of a Dockerfile's steps, too.
 *
 * Four things tell of an end, in no fixed order: the container's exit, the pod's phase, the pod's disappearance, and the
 * KubeJob's conditions. The kubelet reports an exit at once, and only when all of the pod is torn down its phase,
 * together with what it did to the pod (`Evicted`, `DisruptionTarget`). So exit 0 is believed at once; another code when
 * the log explains it, or the phase has come. Source: kubernetes 1.34, pkg/kubelet/status/status_manager.go.
 */
import { failureOf, type Failure, type Reason } from '@hephy/core';
import { readLastWords } from '@hephy/source';
import { readResult } from '../builder-result.ts';
import type { BuilderResult } from '../driver.ts';
import type { ExplainLog } from './container.ts';
import { withNode } from './next-attempt.ts';
import { disruptionOf } from './pod-disruption.ts';
import { conditionOf, containersOf, isOver, newestPod } from './pod-facts.ts';
import type {
  ConditionFacts,
  ContainerFacts,
  KubeJobFacts,
  PodFacts,
  TerminatedFacts,
} from './pod-facts.ts';
import { buildContainer, pushContainer, sourceContainer } from './pod-spec.ts';

export interface EndInput {
  /** Undefined once it has been deleted. */
  readonly job: KubeJobFacts | undefined;
  /**
   * Two watches keep no order between them: an end that is told of a KubeJob without pods is to be believed once the
   * pods have been listed.
   */
  readonly pods: readonly PodFacts[];
  /** The last lines of `build`; undefined: not read yet, and its failure is not judged before. */
  readonly logTail?: string | undefined;
  readonly explain: ExplainLog;
}

export type Outcome =
  { readonly ended: false } | { readonly ended: true; readonly result: BuilderResult };

/** A canceled builder ends like one whose pod was deleted; that it was canceled, only its driver knows. */
export function outcomeOf(input: EndInput): Outcome {
  const { job } = input;
  const pod = newestPod(input);
  const result = pod ? resultOfPod(pod, input) : resultWithoutPod(job);
  return result ? { ended: true, result } : { ended: false };
}

function resultOfPod(pod: PodFacts, input: EndInput): BuilderResult | undefined {
  const last = exitsOf(pod.status?.containerStatuses ?? []);
  const done = last.find(({ name, exitCode }) => pushers.has(name) && exitCode === 0);
  if (done) return readResult({ exit: 'done', digest: done.message, platform: undefined });
  // A cluster may add containers of its own to a pod.
  const failed = exitsOf(containersOf(pod)).filter(({ exitCode }) => exitCode !== 0);
  const exit = failed.find(({ name }) => pushers.has(name)) ?? failed[0];
  const failure =
    disruptionOf(pod, exit !== undefined) ??
    lateness(pod, input.job) ??
    (exit ? failureOfExit(exit, pod, input) : failureWithoutExit(pod));
  return failure && { ok: false, failure: withNode(failure, pod) };
}

type Exit = TerminatedFacts & { readonly name: string };

/** One of them pushes: `build` by itself, or `push` what `build` left. */
const pushers = new Set([buildContainer, pushContainer]);

function exitsOf(containers: readonly ContainerFacts[]): readonly Exit[] {
  return containers.flatMap(({ name, state }) =>
    state?.terminated ? [{ name, ...state.terminated }] : [],
  );
}

function lateness(pod: PodFacts, job: KubeJobFacts | undefined): Failure | undefined {
  const isLate =
    pod.status?.reason === 'DeadlineExceeded' || endOf(job)?.reason === 'DeadlineExceeded';
  return isLate ? failureOf('TimeLimitExceeded') : undefined;
}

function failureOfExit(exit: Exit, pod: PodFacts, input: EndInput): Failure | undefined {
  // The runtime says this of a container in which any process was killed for memory, whatever its exit code.
  if (exit.reason === 'OOMKilled') {
    const detail = `the container ${exit.name} went over its memory limit`;
    return failureOf(ownTrouble.get(exit.name) ?? 'OutOfMemory', { detail });
  }
  const explained = explainedFailure(exit, input);
  const isRead = exit.name !== buildContainer || input.logTail !== undefined;
  if (explained || !isOver(pod) || !isRead) return explained;
  if (!pod.metadata.deletionTimestamp) return unexplainedFailure(exit);
  // A pod that is deleted dies with a code like any other. Why it was deleted, its KubeJob says next.
  return input.job && !endOf(input.job)
    ? undefined
    : failureOf('BuilderLost', { detail: 'its pod was deleted' });
}

function explainedFailure(exit: Exit, { logTail, explain }: EndInput): Failure | undefined {
  if (exit.name !== buildContainer || logTail === undefined) return undefined;
  const explained = explain(logTail);
  if (!explained) return undefined;
  const { reason, exitCode, detail } = explained;
  const code = exitCode ?? (reason === 'BuildFailed' ? exit.exitCode : undefined);
  return failureOf(reason, {
    ...(code !== undefined && { exitCode: code }),
    ...(detail !== undefined && { detail }),
  });
}

/** Of our own containers, when they end without words. */
const ownTrouble: ReadonlyMap<string, Reason> = new Map([
  [sourceContainer, 'SourceUnavailable'],
  [pushContainer, 'BuilderLost'],
]);

/** What runc says of a program that no further try can run. */
const unusableProgram = /no such file or directory|executable file not found|exec format error/;

/** 128 and the signal's number: SIGKILL, SIGTERM. */
const killed = new Set([137, 143]);

function unexplainedFailure({ name, exitCode, reason, message }: Exit): Failure {
  const detail = message === undefined ? {} : { detail: message };
  if (reason === 'ContainerStatusUnknown') return failureOf('BuilderLost', detail);
  if (reason === 'StartError' || reason === 'ContainerCannotRun') {
    const isUnusable = unusableProgram.test(message ?? '');
    return failureOf(isUnusable ? 'BuilderMissing' : 'BuilderNotStarted', detail);
  }
  const trouble = ownTrouble.get(name);
  if (trouble) return readLastWords(message ?? '') ?? failureOf(trouble, { exitCode, ...detail });
  return killed.has(exitCode)
    ? failureOf('BuilderLost', { detail: 'it was killed, and its log does not say why' })
    : failureOf('BuildFailed', { exitCode });
}

function failureWithoutExit(pod: PodFacts): Failure | undefined {
  const { message = 'no container of its pod has an exit code' } = pod.status ?? {};
  return isOver(pod) ? failureOf('BuilderLost', { detail: message }) : undefined;
}

function resultWithoutPod(job: KubeJobFacts | undefined): BuilderResult | undefined {
  if (!job) return lost('its KubeJob was deleted');
  const end = endOf(job);
  if (!end) return undefined;
  if (end.reason === 'DeadlineExceeded') {
    return { ok: false, failure: failureOf('TimeLimitExceeded') };
  }
  if (end.type === 'Complete') return lost('it ended well, and its digest is gone with its pod');
  const { message = '' } = end;
  return end.reason === 'PodFailurePolicy' && message.includes('DisruptionTarget')
    ? { ok: false, failure: failureOf('Evicted', { detail: message }) }
    : lost(`its pod is gone: ${message}`);
}

/** The first comes before its pods are stopped, the others afterwards. */
const endTypes = ['FailureTarget', 'Failed', 'Complete'];

function endOf(job: KubeJobFacts | undefined): ConditionFacts | undefined {
  if (!job) return undefined;
  return endTypes
    .map((type) => conditionOf(job, type, 'True'))
    .find((condition) => condition !== undefined);
}

function lost(detail: string): BuilderResult {
  return { ok: false, failure: failureOf('BuilderLost', { detail }) };
}
