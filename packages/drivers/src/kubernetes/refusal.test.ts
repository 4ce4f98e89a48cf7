import { expect, test } from 'vitest';
import { refusalOf } from './refusal.ts';

test.each([
  [
    'jobs.batch "b-1" is forbidden: status unknown for quota: builds, resources: count/jobs.batch',
    'ClusterUnavailable',
  ],
  ['exceeded quota: builds, requested: count/jobs.batch=1, used: 5, limited: 5', 'QuotaExceeded'],
  [
    'pods "b-1" is forbidden: failed quota: builds: must specify limits.memory for: source',
    'AdmissionRefused',
  ],
  [
    'pods "b-1" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi',
    'AdmissionRefused',
  ],
  [
    'pods "b-1" is forbidden: error looking up service account builds/kaniko: serviceaccount "kaniko" not found',
    'AdmissionRefused',
  ],
  [
    'jobs.batch "b-1" is forbidden: unable to create new content in namespace builds because it is being terminated',
    'AdmissionRefused',
  ],
  ['admission webhook "validate.kyverno.svc-fail" denied the request: no', 'AdmissionRefused'],
  ['etcdserver: request timed out', 'ClusterUnavailable'],
])('a refusal is told from its words: %s', (words, reason) => {
  expect(refusalOf(words)).toMatchObject({ reason, detail: words });
});
