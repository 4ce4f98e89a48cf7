/** The API server refuses, forgets, breaks off and hangs while builds run: they go on, or say that it does not answer. */
import { defaultKubeLimits } from '../../packages/drivers/src/kubernetes/kube-request.ts';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { startApiProxy, type ApiProxy } from './api-proxy.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import {
  expectLinesOnce,
  makeApp,
  objectsOf,
  push,
  startPush,
  untilNothingIsLeft,
} from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let proxy: ApiProxy;
let hephy: HephyOnCluster;
let gate: Gate;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  [proxy, gate] = await Promise.all([
    startApiProxy(cluster),
    startGate(cluster.registry.split(':')[0]),
  ]);
  hephy = await startHephyOn({ ...cluster, server: proxy.url });
});
afterEach(() => {
  proxy.thaw();
  proxy.script();
});
afterAll(async () => {
  await hephy?.close();
  await Promise.all([proxy?.stop(), gate?.close()]);
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const place = () => ({ cluster, hephy });
const isWatch = /^GET .*[?&]watch=true/;
const isLog = /^GET .*\/log\?/;
const failing = { do: 'answer', status: 500 } as const;
const limited = { do: 'answer', status: 429, headers: { 'retry-after': '1' } } as const;

test('an API server that fails at every kind of call costs a build nothing but time', async () => {
  const steps = ['RUN echo one', gate.step('first'), 'RUN echo two', gate.step('second')];
  const app = await makeApp(place(), 'patient', [...steps, 'RUN echo three']);
  proxy.script(
    { do: 'loseAnswer', method: 'POST', path: /\/jobs$/ },
    { ...limited, method: 'POST', path: /\/jobs$/ },
    { ...failing, method: 'GET', path: /\/jobs\/b-/ },
    { do: 'reset', method: 'POST', path: /\/secrets$/ },
    { do: 'loseAnswer', method: 'POST', path: /\/secrets$/ },
    { ...failing, path: /\/log\?/, times: 2 },
    { ...limited, path: /\/log\?/ },
    { ...failing, path: /\/(?:jobs|pods)\?.*watch=true/, times: 2 },
    { do: 'expire', path: /\/(?:jobs|pods)\?.*watch=true/, times: 2 },
    { ...failing, path: /\/(?:jobs|pods)\?labelSelector/, times: 2 },
    { ...failing, method: 'DELETE', path: /\/jobs\// },
    { do: 'loseAnswer', method: 'DELETE', path: /\/jobs\// },
  );
  const pushing = startPush(app);
  await gate.arrived('first');
  await pushing.seen('[amd64] at first');
  // At this moment a watch may be between two connections: that one of them breaks is enough.
  await until('a watch to cut', () => proxy.cut(isWatch) > 0);
  expect(proxy.cut(isLog)).toBe(1);
  gate.open('first');
  await gate.arrived('second');
  await pushing.seen('[amd64] at second');
  expect(proxy.cut(isLog)).toBe(1);
  gate.open('second');
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
  await untilNothingIsLeft(place(), 'patient');
  expect(proxy.unmet()).toEqual([]);
  expect(gate.arrivals('first')).toBe(1);
  const lines = ['one', 'at first', 'two', 'at second', 'three'];
  await expectLinesOnce(place(), { app: 'patient', lines });
});

test('a list of nodes that fails is asked for again', async () => {
  const app = await hephy.createApp('foreign', { platforms: ['linux/s390x'] });
  await app.commit({ Dockerfile: 'FROM scratch\nCOPY . /\n' });
  proxy.script({ ...failing, path: /\/nodes\?/ });
  // A look of the service's own, of a moment ago, serves a push too: then it is the next one that asks.
  await until('a list that fails', async () => {
    expect((await push(app)).stderr).toContain('linux/s390x is not native here');
    return proxy.unmet().length === 0;
  });
});

test('while the API server hangs, a new push is refused, and a build that runs ends as if it had not', async () => {
  const running = await makeApp(place(), 'running', [gate.step('hanging'), 'RUN echo after']);
  const refused = await makeApp(place(), 'refused', ['RUN echo never']);
  const pushing = startPush(running);
  await pushing.seen('[amd64] at hanging');
  proxy.freeze(/./);
  gate.open('hanging');
  const { stderr, exitCode } = await push(refused);
  expect(stderr).toMatch(
    /! \[remote rejected\] main -> main \(the cluster does not answer: .*\(build 1\)\)/,
  );
  expect(exitCode).toBe(1);
  expect((await hephy.builds('refused'))[0]?.failure?.reason).toBe('ClusterUnavailable');
  proxy.thaw();
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
  await expectLinesOnce(place(), { app: 'running', lines: ['at hanging', 'open', 'after'] });
  expect(await objectsOf(place(), 'refused')).toEqual([]);
  expect(await push(refused)).toMatchObject({ exitCode: 0 });
});

test('a build that is left while the API server is away ends as soon as it is back', async () => {
  const app = await makeApp(place(), 'left', [gate.step('left')]);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at left');
  proxy.script({ do: 'reset', path: /./, times: Infinity });
  proxy.cut(/./);
  pushing.interrupt();
  await pushing.result;
  const tried = () => proxy.requests.filter((request) => request.startsWith('PATCH')).length;
  await until('the last try of the first cancel', () => tried() >= defaultKubeLimits.attempts);
  proxy.script();
  expect(await hephy.ended('left', 1)).toMatchObject({ state: 'canceled' });
  await untilNothingIsLeft(place(), 'left');
});

test('a service that starts while the API server is away takes up what runs once it is back', async () => {
  const app = await makeApp(place(), 'away', [gate.step('away'), 'RUN echo after']);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at away');
  await hephy.end('SIGKILL');
  await pushing.result;
  proxy.script({ do: 'reset', path: /./, times: Infinity });
  await hephy.start();
  await until('a list that fails', () => proxy.requests.length > 0);
  gate.open('away');
  proxy.script();
  expect(await hephy.ended('away', 1)).toMatchObject({ state: 'succeeded' });
  await expectLinesOnce(place(), { app: 'away', lines: ['at away', 'open', 'after'] });
  expect(gate.arrivals('away')).toBe(1);
  await untilNothingIsLeft(place(), 'away');
});

test('a KubeJob that somebody deletes while no watch tells is lost, once a look that fails is answered', async () => {
  const app = await makeApp(place(), 'deleted', [gate.step('deleted'), 'RUN echo after']);
  const pushing = startPush(app);
  await pushing.seen('[amd64] at deleted');
  proxy.freeze(isWatch);
  await deleteAt(`/apis/batch/v1/namespaces/${hephy.namespace}/jobs?propagationPolicy=Background`);
  await deleteAt(`/api/v1/namespaces/${hephy.namespace}/pods?gracePeriodSeconds=1`);
  await untilNothingIsLeft(place(), 'deleted');
  const look = { method: 'GET', path: /\/jobs\/b-/ };
  proxy.script(
    { do: 'expire', path: /[?&]watch=true/, times: 2 },
    { ...failing, ...look },
    { ...limited, ...look },
    { do: 'reset', ...look },
  );
  proxy.cut(isWatch);
  proxy.thaw();
  await pushing.seen('; trying again (attempt 2)');
  gate.open('deleted');
  expect(await pushing.result).toMatchObject({ exitCode: 0 });
  expect(proxy.unmet()).toEqual([]);
  expect(gate.arrivals('deleted')).toBe(2);
  await expectLinesOnce(place(), { app: 'deleted', lines: ['open', 'after'] });
  await untilNothingIsLeft(place(), 'deleted');
});

async function deleteAt(collection: string): Promise<void> {
  expect(await cluster.api.send('DELETE', collection)).toMatchObject({ status: 200 });
}

test('a worker whose token has ended says so in the push', async () => {
  const app = await makeApp(place(), 'ended', []);
  proxy.script({ do: 'answer', status: 401, path: /^/, times: Infinity });
  const pushed = await push(app);
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain(
    'main -> main (the cluster does not answer: the API server answered 401',
  );
});
