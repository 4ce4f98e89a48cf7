import { expect, test } from 'vitest';
import { makeSpec } from '../local-driver-parts.ts';
import { builderSecret, canceledJob, kubeJob, sourceUrlKey, type JobOptions } from './kube-job.ts';

const options: JobOptions = {
  sourceImage: 'registry.test/hephy:1',
  resources: { requests: { cpu: '250m', memory: '256Mi' }, limits: { memory: '4Gi' } },
  tolerations: [{ key: 'arch', operator: 'Equal', value: 'arm64', effect: 'NoSchedule' }],
  imagePullSecrets: ['pull'],
  serviceAccountName: undefined,
  hasCredentials: true,
  credentialsDirectory: '/kaniko/.docker',
};
const source = { sha256: 'c'.repeat(64), sizeBytes: 10_240 };
const spec = makeSpec(source, {
  name: 'b-01-web-linux-arm64-a1',
  buildId: '01HB',
  platform: 'linux/arm64',
  timeLimitMs: 90_500,
});
const container = {
  image: 'kaniko:v1',
  args: ['--context=dir:///workspace'],
  environment: { A: 'b' },
};
const job = kubeJob({ spec, container, hash: 'f'.repeat(64) }, options);

test('a KubeJob as the API server gets it', () => {
  expect(job).toMatchSnapshot();
});

test('nothing in it is privileged, mounts the node, or names a secret value', () => {
  const text = JSON.stringify(job);
  expect(text).not.toMatch(/privileged|hostPath|hostNetwork|hostPID|serviceAccountToken"?:true/);
  expect(text).not.toContain('https://');
});

test('the Secret goes with its KubeJob', () => {
  const values = { [sourceUrlKey]: 'https://worker.test/v1/sources/token' };
  expect(builderSecret({ spec, uid: 'u-1', values })).toMatchObject({
    immutable: true,
    metadata: { name: spec.name, ownerReferences: [{ kind: 'Job', name: spec.name, uid: 'u-1' }] },
    stringData: values,
  });
});

test('the KubeJob of a builder that was canceled before it was made never has a pod', () => {
  expect(canceledJob('b-1')).toMatchObject({ metadata: { name: 'b-1' }, spec: { suspend: true } });
});
