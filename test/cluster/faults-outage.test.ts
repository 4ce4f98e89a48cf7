/** Parts of the cluster itself end while builds run: the API server, its store, a node's kubelet, the node. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { nodeNames } from './layout.ts';
import {
  expectLinesOnce,
  makeApp,
  objectsOf,
  push,
  startPush,
  untilNothingIsLeft,
} from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';
import { untilNodeReady } from './until-node-ready.ts';

let cluster: Cluster;
let gate: Gate;
let hephy: HephyOnCluster;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false, number: 92 });
  gate = await startGate(cluster.registry.split(':')[0]);
  hephy = await startHephyOn(cluster);
});
afterAll(async () => {
  await hephy?.close();
  await gate?.close();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const place = () => ({ cluster, hephy });
const node = `/api/v1/nodes/${nodeNames.amd64}`;

test.for([
  { process: 'kube-apiserver', awayMs: 0 },
  { process: 'etcd', awayMs: 30_000 },
])(
  'while $process is away a new push is refused, and a build that runs goes on',
  async ({ process, awayMs }) => {
    const name = `without-${process}`;
    const app = await makeApp(place(), name, [gate.step(name), 'RUN echo after']);
    const other = await makeApp(place(), `${name}-new`, ['RUN echo new']);
    const pushing = startPush(app);
    await pushing.seen(`[amd64] at ${name}`);
    const goneAt = Date.now();
    await cluster.kill(process);
    gate.open(name);
    const refused = await push(other);
    expect(refused.stderr).toMatch(/main -> main \(the cluster does not answer: .*\(build 1\)\)/);
    await until('the length of the outage', () => Date.now() - goneAt >= awayMs);
    await cluster.revive(process);
    expect(await pushing.result).toMatchObject({ exitCode: 0 });
    expect(gate.arrivals(name)).toBe(1);
    await expectLinesOnce(place(), { app: name, lines: [`at ${name}`, 'open', 'after'] });
    expect(await objectsOf(place(), `${name}-new`)).toEqual([]);
    // A busy machine may be slow enough for its node to be taken for silent meanwhile.
    await untilNodeReady(cluster.api, nodeNames.amd64);
    expect(await push(other)).toMatchObject({ exitCode: 0 });
    await untilNothingIsLeft(place(), name);
  },
);

test('a kubelet that is killed comes back to the end of the build, with all of its log', async () => {
  const app = await makeApp(place(), 'kubelet', [gate.step('kubelet'), 'RUN echo after']);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at kubelet');
  await cluster.kill('kubelet');
  gate.open('kubelet');
  await cluster.revive('kubelet');
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
  expect(gate.arrivals('kubelet')).toBe(1);
  await expectLinesOnce(place(), { app: 'kubelet', lines: ['at kubelet', 'open', 'after'] });
});

test('a cordoned node keeps its build and takes no other; drained, the build is tried again', async () => {
  const app = await makeApp(place(), 'drained', [gate.step('drained'), 'RUN echo after']);
  const other = await makeApp(place(), 'cordoned', ['RUN echo new']);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at drained');
  await cluster.api.send('PATCH', node, { spec: { unschedulable: true } });
  const refused = await push(other);
  expect(refused.stderr).toContain(`${nodeNames.amd64} is cordoned`);
  expect((await hephy.builds('cordoned'))[0]?.failure?.reason).toBe('NodesUnavailable');
  expect(await objectsOf(place(), 'cordoned')).toEqual([]);

  await evictPodsOf('drained');
  await pushing.seen('; trying again (attempt 2)');
  await cluster.api.send('PATCH', node, { spec: { unschedulable: null } });
  gate.open('drained');
  const { stderr, exitCode } = await pushing.result;
  expect(stderr).toMatch(
    /linux\/amd64 builder had to leave its node.*; trying again \(attempt 2\)/,
  );
  expect(exitCode).toBe(0);
  expect(gate.arrivals('drained')).toBe(2);
  await expectLinesOnce(place(), { app: 'drained', lines: ['open', 'after'] });
  await untilNothingIsLeft(place(), 'drained');
});

test('a node that is lost takes its builder along, and the build is tried again', async () => {
  const app = await makeApp(place(), 'lost', [gate.step('lost'), 'RUN echo after']);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at lost');
  await cluster.kill('kubelet');
  // As a cloud does when the machine is gone.
  await cluster.api.send('DELETE', node);
  await pushing.seen('; trying again (attempt 2)');
  await cluster.revive('kubelet');
  await untilNodeReady(cluster.api, nodeNames.amd64);
  gate.open('lost');
  const { stderr, exitCode } = await pushing.result;
  expect(stderr).toMatch(/linux\/amd64 builder lost its node.*; trying again \(attempt 2\)/);
  expect(exitCode).toBe(0);
  await expectLinesOnce(place(), { app: 'lost', lines: ['after'] });
  await untilNothingIsLeft(place(), 'lost');
});

async function evictPodsOf(app: string): Promise<void> {
  const pods = (await objectsOf(place(), app)).filter((each) => each.startsWith('pods/'));
  for (const pod of pods) {
    const metadata = { name: pod.slice('pods/'.length) };
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata };
    const path = `/api/v1/namespaces/${hephy.namespace}/${pod}/eviction`;
    expect(await cluster.api.send('POST', path, eviction)).toMatchObject({ status: 201 });
  }
}
