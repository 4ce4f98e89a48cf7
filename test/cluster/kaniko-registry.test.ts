/** What an operator tells kaniko of registries, with the real executor in a pod, and a registry that needs it. */
import {
  explainKanikoLog,
  kanikoContainer,
  parseKanikoConfig,
  type KanikoSettings,
} from '@hephy/backends';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHttp2Breaker, type Http2Breaker } from '../parts/http2-breaker.ts';
import { makeNamespace, runJob } from './run-job.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let namespace: string;
let breaker: Http2Breaker;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  namespace = await makeNamespace(cluster);
  breaker = await startHttp2Breaker(cluster.registry.split(':')[0] ?? '', cluster.registry);
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const data = { 'ca.pem': breaker.certificate };
  await cluster.api.send('POST', path, { metadata: { name: 'authority' }, data });
});
afterAll(async () => {
  await breaker?.stop();
  if (namespace) await cluster.api.send('DELETE', `/api/v1/namespaces/${namespace}`);
  await cluster?.stop();
});

/** Builds from a base that is behind the proxy, and pushes there; answers its log, which tells why if it fails. */
async function build(
  name: string,
  settings: Partial<KanikoSettings>,
  http1 = false,
): Promise<{ log: string; digest: string }> {
  const { images } = cluster;
  const parsed = parseKanikoConfig({ image: images.kaniko, version: '1.27.5', ...settings });
  if (!parsed.ok) throw new Error(parsed.problems.join());
  const input = {
    platform: 'linux/amd64',
    contextDirectory: '/workspace',
    contextPath: '.',
    dockerfilePath: 'Dockerfile',
    target: null,
    buildArgs: {},
    labels: {},
    destination: `${breaker.host}/behind:${name}`,
    noCache: false,
    digestFile: '/dev/termination-log',
    http1,
  };
  const { image, args, environment, mounts = [] } = kanikoContainer(input, parsed.config);
  const workspace = { name: 'workspace', mountPath: '/workspace' };
  const source = {
    name: 'source',
    image: images.base,
    command: ['sh', '-c', 'echo "$DOCKERFILE" > /workspace/Dockerfile'],
    env: [{ name: 'DOCKERFILE', value: `FROM ${breaker.host}/base:1\nRUN echo well > /well\n` }],
    volumeMounts: [workspace],
  };
  const main = {
    name: 'main',
    image,
    args,
    env: Object.entries(environment).map(([key, value]) => ({ name: key, value })),
    volumeMounts: [
      workspace,
      ...mounts.map(({ path }) => ({ name: 'authority', mountPath: path })),
    ],
  };
  const podSpec = {
    initContainers: [source],
    containers: [main],
    volumes: [
      { name: 'workspace', emptyDir: {} },
      { name: 'authority', configMap: { name: 'authority' } },
    ],
  };
  const job = { namespace, name, architecture: 'amd64', podSpec } as const;
  return runJob(job, cluster).then(
    ({ log, message }) => ({ log, digest: message }),
    (error: Error) => ({ log: error.message, digest: '' }),
  );
}

const known = { authorities: 'authority' };

test.concurrent('a registry whose authority nobody has named is not trusted', async () => {
  const { log } = await build('stranger', {});
  expect(explainKanikoLog(log)).toMatchObject({
    reason: 'RegistryUnavailable',
    detail: expect.stringContaining('x509'),
  });
});

test.concurrent(
  'with its authority it is, and what it breaks off over HTTP/2 is told apart',
  async () => {
    const { log } = await build('first', known);
    expect(explainKanikoLog(log)).toMatchObject({ reason: 'Http2Failed' });
    expect(breaker.counts.http2).toBeGreaterThan(0);
  },
);

test.concurrent('a cache that does not answer costs time, and not the build', async () => {
  const nowhere = `${breaker.host.split(':')[0]}:1/cache/\${ARCH}`;
  const { digest, log } = await build('cacheless', {
    ...known,
    http1: true,
    cacheRepository: nowhere,
  });
  expect(log).toContain('Error uploading layer to cache');
  expect(digest).toMatch(/^sha256:/);
});

test('the same is well over HTTP/1.1, for one attempt or by the operator', async () => {
  const { http2 } = breaker.counts;
  const [again, always] = await Promise.all([
    build('again', known, true),
    build('always', { ...known, http1: true }),
  ]);
  expect(breaker.counts.http2).toBe(http2);
  const registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
  try {
    for (const [tag, { digest }] of Object.entries({ again, always })) {
      expect(await registry.headManifest('behind', tag, {})).toMatchObject({ digest });
    }
  } finally {
    await registry.close();
  }
});

test('each layer of an image goes up once', async () => {
  const { length } = breaker.uploads;
  await build('once', known, true);
  const digests = breaker.uploads.slice(length);
  expect(digests.length).toBeGreaterThan(1);
  expect(new Set(digests).size).toBe(digests.length);
});
