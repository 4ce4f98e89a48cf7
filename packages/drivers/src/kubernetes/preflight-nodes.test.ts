import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  hang,
  json,
  refuse,
  startKubeApi,
  type KubeApi,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { until } from '../../../../test/parts/until.ts';
import { makeSpec } from '../local-driver-parts.ts';
import { createKubeClient, type KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import type { ListNodes } from './preflight-nodes.ts';
import { createListNodes, isForeign, platformsOfNodes, preflightNodes } from './preflight-nodes.ts';

let api: KubeApi;
let client: KubeClient;
let listNodes: ListNodes;
const start = Date.now();
let aheadMs: number;
beforeEach(async () => {
  aheadMs = 0;
  api = await startKubeApi();
  client = createKubeClient({
    kubeConfig: api.kubeConfig,
    namespace: 'builds',
    now: () => new Date(start + aheadMs),
    random: () => 0,
    wait: (ms, signal) => delay(ms, undefined, { signal }),
  });
  listNodes = createListNodes(client);
});
afterEach(async () => {
  await client.close();
  await api.stop();
});

const job = { tolerations: [] };
const input = { platforms: ['linux/arm64'], requireNativeNodes: true };
const nodes = (...architectures: string[]): Turn =>
  json({
    metadata: { resourceVersion: '1' },
    items: architectures.map((arch) => ({
      metadata: { name: arch, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': arch } },
      spec: {},
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    })),
  });

test('one list of the nodes tells', async () => {
  api.script(nodes('amd64', 'arm64'));
  expect(await preflightNodes(input, { listNodes, job })).toEqual({ ok: true, warnings: [] });
  expect(api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'GET /api/v1/nodes',
  ]);
});

/** Answers with a node of the architecture once it is let go. */
function late(architecture: string): { turn: Turn; letGo: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const turn: Turn = async (response, request) => {
    await promise;
    await nodes(architecture)(response, request);
  };
  return { turn, letGo: resolve };
}

test('those who ask while a list is on its way share it, unless it may hang', async () => {
  const { turn, letGo } = late('arm64');
  api.script(turn, nodes('arm64', 'amd64'));
  const preflights = [1, 2, 3].map(() => preflightNodes(input, { listNodes, job }));
  await until('the list is asked for', () => api.requests.length === 1);
  aheadMs = 1_000;
  expect(await listNodes()).toHaveLength(2);
  letGo();
  expect(await Promise.all(preflights)).toMatchObject([{ ok: true }, { ok: true }, { ok: true }]);
  expect(api.requests).toHaveLength(2);
});

test.each([
  { served: 'as long as it took', tookMs: 400, laterMs: 399, overMs: 400 },
  { served: 'a second where it took longer', tookMs: 5_000, laterMs: 999, overMs: 1_000 },
])('a list serves after its answer $served', async ({ tookMs, laterMs, overMs }) => {
  const { turn, letGo } = late('arm64');
  api.script(turn, nodes('arm64', 'amd64'));
  const first = listNodes();
  await until('the list is asked for', () => api.requests.length === 1);
  aheadMs = tookMs;
  letGo();
  expect(await first).toHaveLength(1);
  aheadMs = tookMs + laterMs;
  expect(await listNodes()).toHaveLength(1);
  aheadMs = tookMs + overMs;
  expect(await listNodes()).toHaveLength(2);
});

test('a clock that is set back keeps no list', async () => {
  api.script(nodes('arm64'), nodes('arm64', 'amd64'));
  await listNodes();
  aheadMs = -60_000;
  expect(await listNodes()).toHaveLength(2);
});

test('a list that failed is asked for again', async () => {
  api.script(refuse(403, 'Forbidden'), nodes('arm64'));
  await expect(listNodes()).rejects.toThrow(KubeFailure);
  expect(await listNodes()).toHaveLength(1);
});

test('an API server that stumbles is asked again in time', async () => {
  api.script(refuse(500, 'InternalError'), nodes('arm64'));
  expect(await preflightNodes(input, { listNodes, job })).toMatchObject({ ok: true });
});

test('one that is silent is a failure in time', async () => {
  api.script(hang);
  expect(await preflightNodes(input, { listNodes, job })).toEqual({
    ok: false,
    failure: {
      reason: 'ClusterUnavailable',
      detail: 'its nodes were not listed within 1.5 s',
    },
  });
});

test('one that forbids it is a failure with its words', async () => {
  api.script(refuse(403, 'Forbidden', { message: 'nodes is forbidden' }));
  expect(await preflightNodes(input, { listNodes, job })).toMatchObject({
    failure: {
      reason: 'ClusterUnavailable',
      detail: expect.stringContaining('nodes is forbidden') as string,
    },
  });
});

test.each([
  ['goes to one of its own where there is one', ['amd64', 'arm64'], false],
  ['goes to another where there is none', ['amd64'], true],
])('a builder that may go anywhere %s', async (_, architectures, foreign) => {
  api.script(nodes(...architectures));
  const source = { sha256: '0'.repeat(64), sizeBytes: 1 };
  const spec = makeSpec(source, { platform: 'linux/arm64', anyNode: true });
  expect(await isForeign(spec, { listNodes, job })).toBe(foreign);
});

test('a builder that may not is not asked about', async () => {
  const source = { sha256: '0'.repeat(64), sizeBytes: 1 };
  expect(await isForeign(makeSpec(source), { listNodes, job })).toBe(false);
  expect(api.requests).toEqual([]);
});

const platformRefusal = () => undefined;

test('the platforms of the nodes are one list too, and are not known where that is refused', async () => {
  api.script(nodes('arm64', 'amd64', 'amd64'), refuse(403, 'Forbidden'));
  expect(await platformsOfNodes({ listNodes, job, platformRefusal })).toMatchObject([
    { platform: 'linux/amd64', nodes: 2, failure: null },
    { platform: 'linux/arm64', nodes: 1, failure: null },
  ]);
  await expect(platformsOfNodes({ listNodes, job, platformRefusal })).rejects.toThrow(KubeFailure);
});
