import { failureOf, type Failure } from '@hephy/core';

/** Of the cluster, not of the object. The last one: a quota so new that nobody has counted for it. */
const isTrouble =
  /failed calling webhook|Internal error occurred|etcdserver|timed? ?out|status unknown for quota/i;

/**
 * Why the API server refused an object of ours, from its words: those of a 403 or 422, or of a `FailedCreate` event.
 * Source: kubernetes 1.34, admission plugins ResourceQuota, LimitRanger, PodSecurity, ServiceAccount, webhooks.
 */
export function refusalOf(words: string): Failure {
  const detail = words.replace(/^Error creating: /, '');
  if (/exceeded quota:/.test(words)) return failureOf('QuotaExceeded', { detail });
  return isTrouble.test(words)
    ? failureOf('ClusterUnavailable', { detail })
    : failureOf('AdmissionRefused', { detail });
}
