/**
 * What a cluster refuses, takes away or never gives, as the driver tells it. Each builder waits with the patience that
 * operators get, in a namespace of its own, all at the same time.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { z } from 'zod';
import { pushOurImage } from './hephy-on-cluster.ts';
import { createKubeClient } from '../../packages/drivers/src/kubernetes/kube-client.ts';
import { loadKubeConfig } from '../../packages/drivers/src/kubernetes/kube-connection.ts';
import { makeKubernetesDriverParts } from '../../packages/drivers/src/kubernetes/kubernetes-driver-parts.ts';
import { startCluster, type Cluster } from './start-cluster.ts';
import { until } from '../parts/until.ts';

let cluster: Cluster;
let ownImage: string;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  ownImage = await pushOurImage(cluster);
});
afterAll(() => cluster?.stop());

const withinMs = 200_000;
const signal = (): AbortSignal => AbortSignal.timeout(withinMs);
const Names = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

async function makeParts(onTestFinished: TestContext['onTestFinished']) {
  const parts = await makeKubernetesDriverParts(cluster, ownImage);
  onTestFinished(() => parts.close());
  const { api } = cluster;
  const inNamespace = `namespaces/${parts.namespace}`;
  const at = (resource: string) =>
    resource.startsWith('jobs')
      ? `/apis/batch/v1/${inNamespace}/${resource}`
      : `/api/v1/${inNamespace}/${resource}`;
  const namesOf = async (resource: string): Promise<string[]> =>
    Names.parse(await api.get(at(resource))).items.map(({ metadata }) => metadata.name);
  return {
    ...parts,
    at,
    namesOf,
    /** Until it is deleted, there may be so many of each. */
    async limit(hard: Record<string, string>) {
      await api.send('POST', at('resourcequotas'), { metadata: { name: 'few' }, spec: { hard } });
      await until('the quota', async () => {
        const { body } = await api.send('GET', at('resourcequotas/few'));
        return (body as { status?: { hard?: object } }).status?.hard !== undefined;
      });
    },
    podOf: (name: string) =>
      until('its pod', async () => (await namesOf('pods')).find((pod) => pod.startsWith(name))),
    async untilRunning(name: string) {
      const pod = at(`pods/${await this.podOf(name)}`);
      await until('a pod that runs', async () => {
        const { body } = await api.send('GET', pod);
        return (body as { status?: { phase?: string } }).status?.phase === 'Running';
      });
      return pod;
    },
    /** As the worker leaves it. */
    async nothingIsLeftOf(driver: ReturnType<typeof parts.openDriver>, name: string) {
      await driver.cancel(name);
      await driver.cleanUp(name);
      await until('the end of all', async () => {
        const left = await Promise.all(['jobs', 'pods', 'secrets'].map(namesOf));
        return left.flat().every((each) => !each.startsWith(name));
      });
    },
  };
}

// The longest first: only so many run at once.
describe.concurrent('a builder', () => {
  test('whose node falls silent has lost its node', async ({ onTestFinished }) => {
    const parts = await makeParts(onTestFinished);
    const platform = 'linux/ppc64le';
    onTestFinished(await addSilentNode(platform));
    const tolerations = [{ key: silentTaint.key, operator: 'Exists' as const }];
    const driver = parts.openDriver({ job: { tolerations } });
    const spec = await parts.specOf('true', { platform });
    await driver.startOrAdopt(spec);
    const pod = parts.at(`pods/${await parts.podOf(spec.name)}`);
    // What a kubelet says before its machine is gone.
    const conditions = ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: 'True',
    }));
    const state = { running: { startedAt: new Date().toISOString() } };
    const container = {
      name: 'build',
      state,
      ready: true,
      image: '',
      imageID: '',
      restartCount: 0,
    };
    const status = { phase: 'Running', conditions, containerStatuses: [container] };
    await cluster.api.send('PATCH', `${pod}/status`, { status });
    // As the worker does: the result is asked for once the log has ended.
    const chunks: unknown[] = [];
    const following = { fromOffset: 0, signal: signal() };
    for await (const chunk of driver.followLog(spec.name, following)) chunks.push(chunk);
    expect(chunks).toEqual([]);
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: { reason: 'NodeLost', platform },
    });
    await driver.cleanUp(spec.name);
    await cluster.api.send('DELETE', `${pod}?gracePeriodSeconds=0`);
    await parts.nothingIsLeftOf(driver, spec.name);
  });

  test('waits for room in the quota, and fails when its Secret is gone by then', async ({
    onTestFinished,
  }) => {
    const parts = await makeParts(onTestFinished);
    await parts.limit({ pods: '0' });
    const driver = parts.openDriver();
    const [whole, robbed] = [await parts.makeSpec('succeeds'), await parts.makeSpec('succeeds')];
    for (const spec of [whole, robbed]) await driver.startOrAdopt(spec);
    await cluster.api.send('DELETE', parts.at(`secrets/${robbed.name}`));
    await until('two pods that were refused', async () => {
      const { items } = (await cluster.api.get(parts.at('events'))) as {
        items: { reason: string; involvedObject: { name: string } }[];
      };
      const refused = items.filter(({ reason }) => reason === 'FailedCreate');
      return new Set(refused.map(({ involvedObject }) => involvedObject.name)).size === 2;
    });
    await cluster.api.send('DELETE', parts.at('resourcequotas/few'));
    expect(await driver.result(whole.name, { signal: signal() })).toMatchObject({ ok: true });
    expect(await driver.result(robbed.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: {
        reason: 'BuilderNotStarted',
        detail: expect.stringContaining(`secret "${robbed.name}" not found`) as string,
      },
    });
    expect(await parts.countStarts(robbed)).toBe(0);
    await parts.nothingIsLeftOf(driver, robbed.name);
  });

  test('that the namespace does not admit fails with the rule', async ({ onTestFinished }) => {
    const parts = await makeParts(onTestFinished);
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.api.send('PATCH', `/api/v1/namespaces/${parts.namespace}`, {
      metadata: { labels },
    });
    const driver = parts.openDriver();
    const spec = await parts.makeSpec('succeeds');
    await driver.startOrAdopt(spec);
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: {
        reason: 'AdmissionRefused',
        detail: expect.stringContaining('violates PodSecurity "restricted') as string,
      },
    });
    await parts.nothingIsLeftOf(driver, spec.name);
  });

  test.for(['ahead', 'behind'])(
    'is waited for by the cluster’s clock, though the worker’s is an hour %s',
    async (way, { onTestFinished }) => {
      const parts = await makeParts(onTestFinished);
      const wrongMs = way === 'ahead' ? 3_600_000 : -3_600_000;
      const client = createKubeClient({
        kubeConfig: await loadKubeConfig(cluster.kubeconfig),
        namespace: parts.namespace,
        now: () => new Date(Date.now() + wrongMs),
        random: Math.random,
        wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
      });
      const driver = parts.openDriver({ client });
      const spec = await parts.makeSpec('succeeds');
      await driver.startOrAdopt(spec);
      expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({ ok: true });
      const image = `${cluster.registry}/no-such-builder:1`;
      const containerFor = () => ({ image, args: [], environment: {} });
      const other = parts.openDriver({ client, containerFor });
      const without = await parts.makeSpec('succeeds');
      await other.startOrAdopt(without);
      expect(await other.result(without.name, { signal: signal() })).toMatchObject({
        ok: false,
        failure: { reason: 'ImagePullFailed' },
      });
    },
  );

  test('whose image does not exist fails with the name of the image', async ({
    onTestFinished,
  }) => {
    const parts = await makeParts(onTestFinished);
    const image = `${cluster.registry}/no-such-builder:1`;
    const driver = parts.openDriver({ containerFor: () => ({ image, args: [], environment: {} }) });
    const spec = await parts.makeSpec('succeeds');
    expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: false });
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: { reason: 'ImagePullFailed', detail: expect.stringContaining(image) as string },
    });
    await parts.nothingIsLeftOf(driver, spec.name);
  });

  test('that is evicted was not the failure of its Dockerfile', async ({ onTestFinished }) => {
    const parts = await makeParts(onTestFinished);
    const driver = parts.openDriver();
    const spec = await parts.makeSpec('waits');
    await driver.startOrAdopt(spec);
    const pod = await parts.untilRunning(spec.name);
    const metadata = { name: pod.split('/').at(-1) };
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata };
    expect(await cluster.api.send('POST', `${pod}/eviction`, eviction)).toMatchObject({
      status: 201,
    });
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: { reason: 'Evicted' },
    });
    await parts.nothingIsLeftOf(driver, spec.name);
  });

  test('that failed on several nodes is started once more', async ({ onTestFinished }) => {
    const parts = await makeParts(onTestFinished);
    const driver = parts.openDriver();
    const made = await parts.makeSpec('succeeds');
    const spec = { ...made, avoidNodes: ['node-amd64', 'node-of-before'] };
    expect(await driver.startOrAdopt(spec)).toEqual({ ok: true, adopted: false });
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({ ok: true });
  });

  test('whose namespace disappears is lost, none starts until it is back, and then they do', async ({
    onTestFinished,
  }) => {
    const parts = await makeParts(onTestFinished);
    const driver = parts.openDriver();
    const spec = await parts.makeSpec('waits');
    await driver.startOrAdopt(spec);
    await parts.untilRunning(spec.name);
    const namespace = `/api/v1/namespaces/${parts.namespace}`;
    await cluster.api.send('DELETE', namespace);
    expect(await driver.result(spec.name, { signal: signal() })).toMatchObject({
      ok: false,
      failure: { reason: 'BuilderLost' },
    });
    const refused = { ok: false, failure: { reason: 'AdmissionRefused' } };
    expect(await driver.startOrAdopt(await parts.makeSpec('succeeds'))).toMatchObject(refused);
    await until('its end', async () => (await cluster.api.send('GET', namespace)).status === 404);
    const next = await parts.makeSpec('succeeds');
    expect(await driver.startOrAdopt(next)).toMatchObject(refused);
    const metadata = { name: parts.namespace };
    await cluster.api.send('POST', '/api/v1/namespaces', { metadata });
    await until('pods may be made', async () => {
      const account = await cluster.api.send('GET', parts.at('serviceaccounts/default'));
      return account.status === 200;
    });
    expect(await driver.startOrAdopt(next)).toMatchObject({ ok: true });
    expect(await driver.result(next.name, { signal: signal() })).toMatchObject({ ok: true });
  });

  test.for(['count/jobs.batch', 'count/secrets'])(
    'that is over the quota of %s is refused at once',
    async (counted, { onTestFinished }) => {
      const parts = await makeParts(onTestFinished);
      await parts.limit({ [counted]: '0' });
      const driver = parts.openDriver();
      const spec = await parts.makeSpec('succeeds');
      expect(await driver.startOrAdopt(spec)).toMatchObject({
        ok: false,
        failure: { reason: 'QuotaExceeded', detail: expect.stringContaining(counted) as string },
      });
      await parts.nothingIsLeftOf(driver, spec.name);
    },
  );
});

const silentTaint = { key: 'hephy-test/silent', effect: 'NoSchedule' };

/** A node of that platform that says once that it is ready, and nothing ever after. Answers how to take it away. */
async function addSilentNode(platform: string): Promise<() => Promise<void>> {
  const { api } = cluster;
  const [os, architecture] = platform.split('/');
  const name = `silent-${randomUUID().slice(0, 8)}`;
  const labels = { 'kubernetes.io/os': os, 'kubernetes.io/arch': architecture };
  const now = new Date().toISOString();
  const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: now, lastTransitionTime: now };
  const capacity = { cpu: '4', memory: '8Gi', pods: '10', 'ephemeral-storage': '50Gi' };
  const made = await api.send('POST', '/api/v1/nodes', {
    metadata: { name, labels },
    spec: { taints: [silentTaint] },
    status: { capacity, allocatable: capacity, conditions: [ready] },
  });
  expect(made).toMatchObject({ status: 201 });
  return async () => void (await api.send('DELETE', `/api/v1/nodes/${name}`));
}
