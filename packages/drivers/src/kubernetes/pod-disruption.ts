import { failureOf, type Failure } from '@hephy/core';
import { conditionOf, isOver, silentNodeOf, type PodFacts } from './pod-facts.ts';

/** The kubelet's words for a pod over a limit of its own: on another node it would go the same way. */
const ownDiskLimit =
  /exceeds the total limit of containers|local ephemeral storage limit|Usage of EmptyDir volume/;

/** Of a pod that ran, of one that came too late, and of both before Kubernetes 1.22. */
const shutdownReasons = new Set(['Terminated', 'NodeShutdown', 'Shutdown']);

/**
 * What the cluster did to a pod, when that is what ended it: `hasExited` says that one of its containers has failed.
 * Source: kubernetes 1.34: kubelet eviction, preemption, node shutdown and admission; the taint manager; PodGC.
 */
export function disruptionOf(pod: PodFacts, hasExited: boolean): Failure | undefined {
  const { reason, message = '' } = pod.status ?? {};
  const node = `node ${pod.spec?.nodeName ?? 'unknown'}`;
  if (reason === 'NodeLost') return failureOf('NodeLost', { detail: message });
  const target = conditionOf(pod, 'DisruptionTarget', 'True');
  if (target?.reason === 'DeletionByPodGC') {
    return failureOf('NodeLost', { detail: `${node}: ${target.message ?? ''}` });
  }
  if (pod.metadata.deletionTimestamp && target && !hasExited && silentNodeOf(pod)) {
    return failureOf('NodeLost', { detail: `${node} does not answer` });
  }
  if (!hasExited && !isOver(pod)) return undefined;
  if (reason === 'Evicted') {
    return failureOf(ownDiskLimit.test(message) ? 'DiskFull' : 'Evicted', { detail: message });
  }
  if (reason !== undefined && shutdownReasons.has(reason)) {
    return failureOf('NodeLost', { detail: `${node}: ${message}` });
  }
  if (target) return failureOf('Evicted', { detail: target.message ?? target.reason ?? '' });
  return reason === undefined || reason === 'DeadlineExceeded'
    ? undefined
    : failureOf('Evicted', { detail: `${node}: ${reason}: ${message}` });
}
