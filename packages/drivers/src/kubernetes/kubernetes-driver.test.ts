/** Somebody deletes a KubeJob while the API server does not say whether it is there; a node says nothing any more. */
import { HandOver } from '@hephy/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import {
  hang,
  json,
  refuse,
  reset,
  startKubeApi,
  type KubeApi,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { until } from '../../../../test/parts/until.ts';
import type { BuilderSpec } from '../driver.ts';
import { driverOn } from './driver-on-kube-api.ts';
import { canceledAnnotation, failureAnnotation } from './kube-job.ts';
import { builderName, kubeJob, pod, running, runningConditions } from './pod-states.ts';

const name = 'b-deleted';
const empty = json({ metadata: { resourceVersion: '1' }, items: [] });
const notFound = refuse(404, 'NotFound');
const limited = refuse(429, 'TooManyRequests');
const failing = refuse(500, 'InternalError');

let api: KubeApi;
let driver: ReturnType<typeof driverOn>;
beforeEach(async () => {
  api = await startKubeApi();
});
afterEach(async () => {
  await driver.close();
  await api.stop();
});

/** The lists and watches are answered as `list` says, and each look for the KubeJob as the next of `looks`. */
function open({ list, looks }: { list: Turn; looks: Turn[] }): void {
  const turns = [...looks];
  api.script((response, request) => {
    if (request.query['watch'] === 'true') return hang(response, request);
    if (!request.path.endsWith(`/jobs/${name}`)) return list(response, request);
    return ((turns.length > 1 ? turns.shift() : turns[0]) ?? hang)(response, request);
  });
  driver = driverOn(api);
}

const looked = () => api.requests.filter(({ path }) => path.endsWith(`/jobs/${name}`)).length;

async function readLog(signal: AbortSignal, of = name): Promise<string> {
  let log = '';
  for await (const { text } of driver.followLog(of, { fromOffset: 0, signal })) log += text;
  return log;
}

test.for([
  { what: 'fails', look: failing },
  { what: 'is limited', look: limited },
  { what: 'breaks', look: reset },
  { what: 'hangs', look: hang },
])('a deleted KubeJob is lost once a look that $what is answered', async ({ look }) => {
  open({ list: empty, looks: [look, look, notFound, look, look, notFound] });
  const { signal } = new AbortController();
  expect(await readLog(signal)).toBe('');
  const result = await driver.result(name, { signal });
  expect(result).toMatchObject({ ok: false, failure: { reason: 'BuilderLost' } });
  expect(looked()).toBe(6);
});

test('a deleted KubeJob is handed over, not lost, when no look is answered', async () => {
  open({ list: empty, looks: [failing] });
  const { signal } = new AbortController();
  await expect(readLog(signal)).rejects.toThrow(HandOver);
  await expect(driver.result(name, { signal })).rejects.toThrow(HandOver);
  expect(looked()).toBe(6);
});

test.for([
  { what: 'a look hangs', list: empty },
  { what: 'the first list hangs', list: hang },
])('who leaves while $what is let go at once', async ({ list }) => {
  open({ list, looks: [hang] });
  const leaving = new AbortController();
  const left = Promise.allSettled([
    readLog(leaving.signal),
    driver.result(name, { signal: leaving.signal }),
  ]);
  await until('what hangs', () => (list === hang ? api.requests.length > 0 : looked() >= 2));
  const reason = new Error('the build is over');
  leaving.abort(reason);
  const rejected = { status: 'rejected', reason };
  expect(await left).toEqual([rejected, rejected]);
});

test('what begins while no list is answered is handed over', async () => {
  open({ list: hang, looks: [hang] });
  const spec = { name } as BuilderSpec;
  const begun = [driver.startOrAdopt(spec), driver.cancel(name), driver.list()];
  const handedOver = { status: 'rejected', reason: expect.any(HandOver) };
  expect(await Promise.allSettled(begun)).toEqual([handedOver, handedOver, handedOver]);
  expect(looked()).toBe(0);
});

const runningPod = pod({
  phase: 'Running',
  build: running,
  conditions: runningConditions,
  deletedAfter: 3,
});

const Patch = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
});

const listOf = (item: object) => json({ metadata: { resourceVersion: '1050' }, items: [item] });

/** Its pod runs, as its node has said; it was deleted long ago, and the node says nothing. */
function openSilentNode({ annotations = {} }: { annotations?: Record<string, string> } = {}): void {
  const job = kubeJob();
  const silent = { ...job, metadata: { ...job.metadata, annotations } };
  const labels = { 'batch.kubernetes.io/job-name': builderName };
  const left = { ...runningPod, metadata: { ...runningPod.metadata, labels } };
  api.script((response, request) => {
    if (request.query['watch'] === 'true') return hang(response, request);
    if (request.path.endsWith('/log')) return hang(response, request);
    if (request.path.endsWith('/events')) return empty(response, request);
    if (request.method === 'PATCH') return json(silent)(response, request);
    return listOf(request.path.endsWith('/pods') ? left : silent)(response, request);
  });
  driver = driverOn(api);
}

test('a builder on a node that has fallen silent ends, and its log before it', async () => {
  openSilentNode();
  const { signal } = new AbortController();
  expect(await readLog(signal, builderName)).toBe('');
  const failure = { reason: 'NodeLost', detail: expect.stringContaining('arm-1') };
  expect(await driver.result(builderName, { signal })).toMatchObject({ ok: false, failure });
  expect(api.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1);
});

test('why a worker has ended a builder is known to the one that comes after it', async () => {
  openSilentNode();
  const { signal } = new AbortController();
  const told = await driver.result(builderName, { signal });
  expect(told).toMatchObject({ ok: false, failure: { reason: 'NodeLost' } });
  const patch = api.requests.find(({ method }) => method === 'PATCH')?.body ?? '';
  await driver.close();
  openSilentNode(Patch.parse(JSON.parse(patch)).metadata);
  expect(await driver.result(builderName, { signal })).toEqual(told);
});

test.for(['not JSON', '{"reason":"Unheard"}', 'null', '"'.repeat(5_000)])(
  'a noted failure that is not one of ours (%s) counts as none',
  async (noted) => {
    openSilentNode({ annotations: { [canceledAnnotation]: 'true', [failureAnnotation]: noted } });
    const { signal } = new AbortController();
    const failure = { reason: 'BuilderLost' };
    expect(await driver.result(builderName, { signal })).toMatchObject({ ok: false, failure });
  },
);

test('a canceled builder is not waited for on a node that has fallen silent', async () => {
  openSilentNode({ annotations: { [canceledAnnotation]: 'true' } });
  const { signal } = new AbortController();
  expect(await readLog(signal, builderName)).toBe('');
  const failure = { reason: 'BuilderLost' };
  expect(await driver.result(builderName, { signal })).toMatchObject({ ok: false, failure });
});
