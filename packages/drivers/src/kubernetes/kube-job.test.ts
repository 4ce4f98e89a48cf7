import { expect, test } from 'vitest';
import { makeSpec } from '../local-driver-parts.ts';
import { builderSecret, canceledJob, kubeJob } from './kube-job.ts';
import { dockerConfigKey, pushCredentialsKey, sourceUrlKey, type JobOptions } from './pod-spec.ts';

const options: JobOptions = {
  ownImage: 'registry.test/hephy:1',
  resources: {
    requests: { cpu: '250m', memory: '256Mi', 'ephemeral-storage': '256Mi' },
    limits: { memory: '4Gi', 'ephemeral-storage': '20Gi' },
  },
  tolerations: [{ key: 'arch', operator: 'Equal', value: 'arm64', effect: 'NoSchedule' }],
  imagePullSecrets: ['pull'],
  serviceAccountName: undefined,
  isolation: 'together',
  plainHttp: false,
  authorities: 'our-authorities',
  credentialsDirectory: '/kaniko/.docker',
};
const source = { sha256: 'c'.repeat(64), sizeBytes: 10_240 };
const spec = makeSpec(source, {
  name: 'b-01-web-linux-arm64-a1',
  buildId: '01HB',
  platform: 'linux/arm64',
  timeLimitMs: 90_500,
  destination: 'registry.test/shop:b-01-web-linux-arm64-a1',
});
const container = {
  image: 'kaniko:v1',
  args: ['--context=dir:///workspace'],
  environment: { A: 'b' },
};
const input = { spec, container, hash: 'f'.repeat(64) };
const together = kubeJob({ ...input, secretKeys: [dockerConfigKey] }, options);
const split = kubeJob(
  { ...input, secretKeys: [dockerConfigKey, pushCredentialsKey] },
  { ...options, isolation: 'split', serviceAccountName: 'puller' },
);

test('a KubeJob as the API server gets it', () => {
  expect(together).toMatchSnapshot();
});

test('a KubeJob whose builder may not push', () => {
  expect(split).toMatchSnapshot();
});

test('what an operator has put beside builders is mounted into the one that runs the Dockerfile', () => {
  const mounts = [
    { path: '/cache', from: { claim: 'layers' } },
    { path: '/kaniko/authorities', from: { configMap: 'ours' } },
  ];
  const command = ['/busybox/sh'];
  const pod = { ...input, container: { ...container, command, mounts }, secretKeys: [] };
  const { containers, volumes } = podOf(kubeJob(pod, options));
  expect(containers).toMatchObject([
    {
      command,
      volumeMounts: [
        { name: 'workspace' },
        { name: 'mount-0', mountPath: '/cache', readOnly: false },
        { name: 'mount-1', mountPath: '/kaniko/authorities', readOnly: true },
      ],
    },
  ]);
  expect(volumes).toMatchObject([
    { name: 'workspace' },
    { name: 'mount-0', persistentVolumeClaim: { claimName: 'layers' } },
    { name: 'mount-1', configMap: { name: 'ours' } },
  ]);
});

test.each([
  ['together', together],
  ['split', split],
])('nothing in it is privileged, mounts the node, or names a secret value (%s)', (_, job) => {
  const text = JSON.stringify(job);
  expect(text).not.toMatch(/privileged|hostPath|hostNetwork|hostPID|serviceAccountToken"?:true/);
  expect(text).not.toContain('https://');
});

const mounts = (found: Container[]) => found.map(({ volumeMounts }) => volumeMounts);

test('only the container that pushes can see what is pushed with', () => {
  const { initContainers, containers } = podOf(split);
  expect(JSON.stringify(mounts(containers))).toContain('push-credentials');
  expect(JSON.stringify(mounts(initContainers))).not.toContain('push-credentials');
  const variables = [...initContainers, ...containers].flatMap(({ env }) => env);
  const secrets = variables.filter(({ valueFrom }) => valueFrom !== undefined);
  expect(secrets.map(({ name }) => name)).toEqual(['HEPHY_SOURCE_URL']);
});

interface Container {
  readonly env: readonly { readonly name: string; readonly valueFrom?: unknown }[];
  readonly volumeMounts: unknown;
}

function podOf(
  job: object,
): Record<'initContainers' | 'containers', Container[]> & { readonly volumes: unknown } {
  const { spec: of } = job as { spec: { template: { spec: ReturnType<typeof podOf> } } };
  return of.template.spec;
}

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
