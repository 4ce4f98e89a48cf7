/** The client, the watch and the log follower against a real API server and kubelet, over a wire that we can cut. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCluster, type Cluster } from '../../../../test/cluster/start-cluster.ts';
import { startCutProxy, type CutProxy } from '../../../../test/parts/cut-proxy.ts';
import { until } from '../../../../test/parts/until.ts';
import { followPodLog, type LogState } from './follow-pod-log.ts';
import { createKubeClient, type KubeClient } from './kube-client.ts';
import { loadKubeConfig } from './kube-connection.ts';
import { ObjectFacts, PodFacts } from './pod-facts.ts';
import { watchObjects, type WatchedObjects } from './watch-objects.ts';

const namespace = `wire-${randomUUID().slice(0, 8)}`;
let cluster: Cluster;
let wire: CutProxy;
let client: KubeClient;
let pods: WatchedObjects<PodFacts>;

beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  const metadata = { name: namespace };
  await cluster.api.send('POST', '/api/v1/namespaces', { kind: 'Namespace', metadata });
  wire = await startCutProxy(new URL(cluster.server).host);
  const kubeConfig = await loadKubeConfig(cluster.kubeconfig);
  kubeConfig.clusters = kubeConfig.clusters.map((named) => ({
    ...named,
    server: `https://${wire.host}`,
  }));
  client = createKubeClient({
    kubeConfig,
    namespace,
    limits: { watchSeconds: 5, pageItems: 2 },
    now: () => new Date(),
    random: Math.random,
    wait: (ms, signal) => delay(ms, undefined, { signal }),
  });
  pods = watchObjects({
    client,
    path: client.path('pods'),
    labelSelector: 'kept=yes',
    parse: parsePod,
    onError: () => undefined,
  });
});
afterAll(async () => {
  pods.close();
  await client.close();
  await wire.close();
  await cluster.api.send('DELETE', `/api/v1/namespaces/${namespace}`);
  await cluster.stop();
});

const asIs = (value: unknown): unknown => value;
const nameOf = (value: unknown): string =>
  ObjectFacts.parse((value as { metadata: unknown }).metadata).name;
const parsePod = (value: unknown): PodFacts => PodFacts.parse(value);
const inTime = (): AbortSignal => AbortSignal.timeout(40_000);

function podOf(name: string, script: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { kept: 'yes' } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      nodeSelector: { 'kubernetes.io/arch': 'amd64' },
      containers: [{ name: 'build', image: cluster.images.base, command: ['sh', '-c', script] }],
    },
  };
}

async function run(name: string, script: string): Promise<PodFacts> {
  const made = await client.create(client.path('pods'), podOf(name, script), { parse: parsePod });
  if (!made.created) throw new Error(`${name} is there`);
  await pods.waitFor(name, (found) => found[0], inTime());
  return made.object;
}

function stateOf(name: string): LogState {
  const pod = pods.get(name);
  if (!pod) return 'gone';
  const state = pod.status?.containerStatuses?.[0]?.state;
  if (state?.terminated) return 'ended';
  return state?.running ? 'running' : 'waiting';
}

function changed(name: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const unsubscribe = pods.subscribe(name, resolve);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return promise.finally(() => {
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
  });
}

async function textOf(
  pod: PodFacts,
  onText: (text: string) => void = () => undefined,
): Promise<string> {
  const { name: podName, creationTimestamp } = pod.metadata;
  const chunks = followPodLog({
    client,
    podName,
    container: 'build',
    baseTime: creationTimestamp ?? '',
    fromOffset: 0,
    state: () => stateOf(podName),
    changed: (signal) => changed(podName, signal),
    signal: inTime(),
  });
  let log = '';
  for await (const { text } of chunks) {
    log += text;
    onText(log);
  }
  return log;
}

test('what one client makes, finds, changes and deletes is there, and then it is not', async () => {
  const path = client.path('secrets', 'thing');
  const secret = { metadata: { name: 'thing' }, stringData: { key: 'value' } };
  const make = () => client.create(client.path('secrets'), secret, { parse: asIs });
  expect(await make()).toMatchObject({ created: true });
  expect(await make()).toEqual({ created: false });
  const patch = { metadata: { labels: { kept: 'yes' } } };
  expect(await client.mergePatch(path, patch, { parse: asIs })).toMatchObject(patch);
  expect(await client.delete(path)).toBe(true);
  expect(await client.delete(path)).toBe(false);
  expect(await client.get(path, asIs)).toBeUndefined();
  expect(await client.mergePatch(path, patch, { parse: asIs })).toBeUndefined();
});

test('a list in pages has each object once', async () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((letter) => `listed-${letter}`);
  for (const name of names) {
    const secret = { metadata: { name, labels: { listed: 'yes' } } };
    await client.create(client.path('secrets'), secret, { parse: () => undefined });
  }
  const path = client.path('secrets');
  expect((await client.list(path, nameOf, { labelSelector: 'listed=yes' })).items).toEqual(names);
});

test('a refusal says what the API server has against it', async () => {
  const odd = { metadata: { name: 'Not A Name' } };
  const made = client.create(client.path('secrets'), odd, { parse: () => undefined });
  await expect(made).rejects.toMatchObject({ status: 422, reason: 'Invalid', temporary: false });
});

test('a log is told whole, over a wire that is cut again and again, and so is the end', async () => {
  const script =
    'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done; printf end';
  const pod = await run('cut', script);
  let next = 5;
  const text = await textOf(pod, (log) => {
    if (!log.includes(`line ${next}\n`)) return;
    next += 15;
    wire.cut();
  });
  const lines = Array.from({ length: 60 }, (_, index) => `line ${index + 1}\n`);
  expect(text).toBe(`${lines.join('')}end\n`);
  expect(next).toBeGreaterThan(35);
});

test('a large log with long lines is told whole, byte for byte', async () => {
  const long = 'head -c 200000 /dev/zero | tr "\\0" x; echo';
  const pod = await run('large', `seq 1 100000; ${long}; seq 1 5`);
  const text = await textOf(pod);
  const numbers = Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('');
  expect(text.startsWith(numbers)).toBe(true);
  expect(text.endsWith('x\n1\n2\n3\n4\n5\n')).toBe(true);
  expect(text.slice(numbers.length).replaceAll(/[^x]/g, '')).toHaveLength(200_000);
});

test('a watch that was cut sees what came meanwhile, and what went', async () => {
  const pod = await run('short', 'exit 3');
  wire.cut();
  const code = await pods.waitFor(
    'short',
    ([found]) => found?.status?.containerStatuses?.[0]?.state?.terminated?.exitCode,
    inTime(),
  );
  expect(code).toBe(3);
  wire.cut();
  await client.delete(client.path('pods', pod.metadata.name));
  expect(await until('its end', () => pods.get('short') === undefined)).toBe(true);
});
