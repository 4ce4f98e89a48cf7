import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import {
  hang,
  json,
  refuse,
  reset,
  startKubeApi,
  stream,
  type KubeApi,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { until } from '../../../../test/parts/until.ts';
import { createKubeClient, isExpired, type KubeClient } from './kube-client.ts';
import type { KubeLimits } from './kube-request.ts';

let api: KubeApi;
let client: KubeClient;
let waits: number[] = [];
beforeAll(async () => {
  api = await startKubeApi();
  client = open();
});
afterEach(() => {
  waits = [];
});
afterAll(async () => {
  await client.close();
  await api.stop();
});

/** Waits are noted, and all but the longest are over at once. */
function open(limits: Partial<KubeLimits> = {}): KubeClient {
  return createKubeClient({
    kubeConfig: api.kubeConfig,
    namespace: 'builds',
    limits,
    now: () => new Date('2026-11-22T09:00:00Z'),
    random: () => 0.5,
    wait: async (ms, signal) => {
      waits.push(ms);
      await delay(ms > 20_000 ? ms : 0, undefined, { signal });
    },
  });
}

const Named = z.object({ metadata: z.object({ name: z.string() }) });
const nameOf = (value: unknown): string => Named.parse(value).metadata.name;
const named = (name: string): object => ({ metadata: { name, resourceVersion: '7' } });

test('a path names the resource in its group and namespace', () => {
  expect(client.path('jobs', 'b-1')).toBe('/apis/batch/v1/namespaces/builds/jobs/b-1');
  expect(client.path('pods', 'b-1', 'log')).toBe('/api/v1/namespaces/builds/pods/b-1/log');
  expect(client.path('nodes')).toBe('/api/v1/nodes');
  expect(client.path('secrets', '../x')).toBe('/api/v1/namespaces/builds/secrets/..%2Fx');
});

test('each verb sends what the API server expects of it, with the credentials', async () => {
  api.script(json(named('a')));
  const options = { parse: nameOf };
  expect(await client.get('/p/a', nameOf)).toBe('a');
  expect(await client.create('/p', { kind: 'Job' }, options)).toEqual({
    created: true,
    object: 'a',
  });
  expect(await client.mergePatch('/p/a', { x: null }, options)).toBe('a');
  expect(await client.delete('/p/a')).toBe(true);
  expect(api.requests.map(({ method, query, body }) => ({ method, query, body }))).toEqual([
    { method: 'GET', query: {}, body: '' },
    { method: 'POST', query: {}, body: '{"kind":"Job"}' },
    { method: 'PATCH', query: {}, body: '{"x":null}' },
    { method: 'DELETE', query: { propagationPolicy: 'Background' }, body: '' },
  ]);
  expect(api.requests[2]?.headers['content-type']).toBe('application/merge-patch+json');
  expect(api.requests.every(({ headers }) => headers.authorization === 'Bearer test-token')).toBe(
    true,
  );
});

test('what is not there is an answer, and so is what is there already', async () => {
  api.script(refuse(404, 'NotFound'));
  expect(await client.get('/p/a', nameOf)).toBeUndefined();
  expect(await client.mergePatch('/p/a', {}, { parse: nameOf })).toBeUndefined();
  expect(await client.delete('/p/a')).toBe(false);
  api.script(refuse(409, 'AlreadyExists'));
  expect(await client.create('/p', {}, { parse: nameOf })).toEqual({ created: false });
  expect(waits).toEqual([]);
});

test('a create whose answer was lost finds at its second try that it is there', async () => {
  api.script(reset, refuse(409, 'AlreadyExists'));
  expect(await client.create('/p', {}, { parse: nameOf })).toEqual({ created: false });
});

const temporary: [string, Turn, number][] = [
  ['a server error', refuse(500, 'InternalError'), 150],
  ['a server that is starting', refuse(503, 'ServiceUnavailable'), 150],
  ['a broken connection', reset, 150],
  ['too many requests', refuse(429, 'TooManyRequests', { headers: { 'retry-after': '3' } }), 3150],
  ['a proxy that finds nobody', json('<html>', 502), 150],
  ['a write that met another', refuse(409, 'Conflict'), 150],
];
test.each(temporary)('%s is tried again', async (_, turn, waitMs) => {
  api.script(turn, json(named('a')));
  expect(await client.create('/p', {}, { parse: nameOf })).toEqual({ created: true, object: 'a' });
  expect(waits).toEqual([waitMs]);
});

test('tries end, and the last failure says what was asked and what was answered', async () => {
  api.script(refuse(500, 'InternalError', { message: 'etcdserver: request timed out' }));
  await expect(client.get('/p/a', nameOf)).rejects.toMatchObject({
    name: 'KubeFailure',
    message: 'the API server answered 500 InternalError to GET /p/a: etcdserver: request timed out',
    status: 500,
    reason: 'InternalError',
    temporary: true,
  });
  expect(api.requests).toHaveLength(5);
  expect(waits).toEqual([150, 300, 600, 1200]);
});

test('a server that asks for a long wait is left alone, and the failure says how long', async () => {
  api.script(refuse(429, 'TooManyRequests', { headers: { 'retry-after': '600' } }));
  await expect(client.get('/p/a', nameOf)).rejects.toMatchObject({ retryAfterMs: 600_000 });
  expect(api.requests).toHaveLength(1);
});

test('a refusal is not tried again, and keeps the reasons behind its reason', async () => {
  const status = {
    kind: 'Status',
    reason: 'Forbidden',
    message: 'namespace builds is being terminated',
    details: { causes: [{ reason: 'NamespaceTerminating', message: 'namespace builds' }] },
    code: 403,
  };
  api.script(json(status, 403));
  const created = client.create('/p', {}, { parse: nameOf });
  await expect(created).rejects.toMatchObject({
    status: 403,
    reason: 'Forbidden',
    causes: ['NamespaceTerminating'],
    temporary: false,
  });
  expect(api.requests).toHaveLength(1);
});

test('a server that hangs is given up in time, before its answer and in the middle of it', async () => {
  const hasty = open({ callTimeoutMs: 60, attempts: 2 });
  const late = { reason: 'TimedOut', temporary: true };
  api.script(hang);
  await expect(hasty.get('/p/a', nameOf)).rejects.toMatchObject(late);
  expect(api.requests).toHaveLength(2);
  api.script(stream(['{"metadata":'], 'hang'));
  await expect(hasty.get('/p/a', nameOf)).rejects.toMatchObject(late);
  await hasty.close();
});

test('an answer of another shape is a failure that names the request', async () => {
  api.script(json({ metadata: {} }));
  await expect(client.get('/p/a', nameOf)).rejects.toMatchObject({ reason: 'NotUnderstood' });
});

test("an abort is the caller's own reason, while asking and while waiting", async () => {
  const leave = new AbortController();
  const reason = new Error('the process leaves');
  api.script((response, request) => {
    leave.abort(reason);
    return hang(response, request);
  });
  await expect(client.get('/p/a', nameOf, leave.signal)).rejects.toBe(reason);
  const patient = open({ firstWaitMs: 60_000 });
  const later = new AbortController();
  api.script(refuse(500, 'InternalError'));
  const waiting = patient.get('/p/a', nameOf, later.signal);
  await until('the first try', () => waits.length === 1);
  later.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await patient.close();
});

const page = (names: string[], next?: string): Turn =>
  json({ metadata: { resourceVersion: '9', continue: next }, items: names.map(named) });

test('a list comes in pages', async () => {
  api.script(page(['a', 'b'], 'more'), page(['c']));
  const listed = await client.list('/p', nameOf, { labelSelector: 'x=y' });
  expect(listed).toEqual({ items: ['a', 'b', 'c'], resourceVersion: '9' });
  expect(api.requests.map(({ query }) => query)).toEqual([
    { labelSelector: 'x=y', limit: '250' },
    { labelSelector: 'x=y', limit: '250', continue: 'more' },
  ]);
});

test('a list whose moment is forgotten between two pages begins again', async () => {
  api.script(page(['a', 'b'], 'more'), refuse(410, 'Expired'), page(['b'], 'more'), page(['c']));
  expect((await client.list('/p', nameOf)).items).toEqual(['b', 'c']);
});

const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

async function watched(
  parts: Parameters<typeof stream>[0],
  then?: 'cut' | 'hang',
): Promise<string[]> {
  api.script(stream(parts, then));
  const hasty = open({ watchSeconds: 0, watchMarginMs: 300 });
  const options = {
    resourceVersion: '5',
    labelSelector: 'x=y',
    signal: AbortSignal.timeout(20_000),
  };
  const seen: string[] = [];
  try {
    for await (const { type, object } of hasty.watch('/p', options)) {
      seen.push(`${type} ${nameOf(object)}`);
    }
    return seen;
  } catch (error) {
    throw Object.assign(error as Error, { seen });
  } finally {
    await hasty.close();
  }
}

test('a watch answers events wherever they are cut on the wire, until the server ends it', async () => {
  const text =
    event('ADDED', named('ü')) + event('BOOKMARK', named('b')) + event('DELETED', named('c'));
  const bytes = Buffer.from(text);
  const cuts = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
  expect(await watched(cuts)).toEqual(['ADDED ü', 'BOOKMARK b', 'DELETED c']);
  expect(api.requests[0]?.query).toEqual({
    watch: 'true',
    allowWatchBookmarks: 'true',
    timeoutSeconds: '0',
    resourceVersion: '5',
    labelSelector: 'x=y',
  });
});

test('a watch that is cut, silent or too late is a failure, with what came before it told', async () => {
  const first = event('ADDED', named('a'));
  const seen = ['ADDED a'];
  const half = event('ADDED', named('b')).slice(0, 20);
  await expect(watched([first, half], 'cut')).rejects.toMatchObject({
    reason: 'Unreachable',
    seen,
  });
  await expect(watched([first, half], 'hang')).rejects.toMatchObject({ reason: 'TimedOut', seen });
  const gone = event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' });
  const failure = await watched([first, gone]).catch((error: unknown) => error);
  expect(failure).toMatchObject({ reason: 'Expired', seen });
  expect(isExpired(failure)).toBe(true);
});

test('a hundred calls at once share a few connections', async () => {
  const ports = new Set<number | undefined>();
  api.script((response, request) => {
    ports.add(response.socket?.remotePort);
    return json(named('a'))(response, request);
  });
  const fresh = open();
  await Promise.all(Array.from({ length: 100 }, () => fresh.get('/p/a', nameOf)));
  await fresh.close();
  expect(ports.size).toBeLessThanOrEqual(16);
});
