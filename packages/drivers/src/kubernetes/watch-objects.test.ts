import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import {
  json,
  refuse,
  reset,
  startKubeApi,
  stream,
  type KubeApi,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { until } from '../../../../test/parts/until.ts';
import { createKubeClient, type KubeClient } from './kube-client.ts';
import { watchObjects, type WatchedObjects } from './watch-objects.ts';

const Thing = z.object({
  metadata: z.object({ name: z.string() }),
  owner: z.string(),
  size: z.number(),
});
type Thing = z.infer<typeof Thing>;

let api: KubeApi;
let client: KubeClient;
let watch: WatchedObjects<Thing> | undefined;
let errors: unknown[] = [];
let waits: number[] = [];
let gone: Thing[] = [];
// A server of its own for each test: what the watch before asked last may still be on its way.
beforeEach(async () => {
  errors = [];
  waits = [];
  gone = [];
  api = await startKubeApi();
  client = createKubeClient({
    kubeConfig: api.kubeConfig,
    namespace: 'builds',
    limits: { watchSeconds: 0, watchMarginMs: 400, attempts: 1 },
    now: () => new Date(),
    random: () => 0.5,
    wait: async (ms, signal) => {
      waits.push(ms);
      await delay(5, undefined, { signal });
    },
  });
});
afterEach(async () => {
  watch?.close();
  await client.close();
  await api.stop();
});

function open(...turns: Turn[]): WatchedObjects<Thing> {
  api.script(...turns);
  watch = watchObjects({
    client,
    path: '/things',
    labelSelector: 'x=y',
    parse: (value) => Thing.parse(value),
    ownerOf: ({ owner }) => owner,
    onGone: (thing) => gone.push(thing),
    onError: (error) => errors.push(error),
  });
  return watch;
}

const thing = (name: string, version: number, size = 0): object => ({
  metadata: { name, resourceVersion: String(version) },
  owner: `${name.split('-')[0]}`,
  size,
  more: 'x'.repeat(1000),
});
const list = (version: number, ...items: object[]): Turn =>
  json({ metadata: { resourceVersion: String(version) }, items });
const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
const bookmark = (version: number): string =>
  event('BOOKMARK', { metadata: { resourceVersion: String(version) } });
const expired = event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' });
const quiet = stream([], 'hang');

const sizeOf = (name: string): number | undefined => watch?.get(name)?.size;
const asked = (): (string | undefined)[] =>
  api.requests.map(({ query }) => (query['watch'] ? query['resourceVersion'] : 'list'));

const largeSize = (all: readonly Thing[]): number | undefined =>
  all.find(({ size }) => size > 5)?.size;

test('what is listed is there when it is ready, and events change it', async () => {
  const events = [
    event('MODIFIED', thing('a-1', 11, 5)),
    event('ADDED', thing('b-1', 12)),
    event('DELETED', thing('a-2', 13)),
  ];
  const things = open(list(10, thing('a-1', 3, 1), thing('a-2', 4)), stream(events, 'hang'));
  await things.ready;
  await until('the last event', () => things.ownedBy('a').length === 1);
  expect(things.all().map(({ metadata }) => metadata.name)).toEqual(['a-1', 'b-1']);
  expect(things.get('a-1')).toEqual({ metadata: { name: 'a-1' }, owner: 'a', size: 5 });
  expect(asked().slice(0, 2)).toEqual(['list', '10']);
});

test('what goes is told as it was at last, whether it is seen to go or has gone meanwhile', async () => {
  const events = [event('DELETED', thing('a-2', 13, 7)), expired];
  const before = list(10, thing('a-1', 3, 1), thing('a-2', 4), thing('b-1', 5));
  open(before, stream(events), list(20, thing('b-1', 5)), quiet);
  await until('both', () => gone.length === 2);
  expect(gone.map(({ metadata: { name }, size }) => ({ name, size }))).toEqual([
    { name: 'a-2', size: 7 },
    { name: 'a-1', size: 1 },
  ]);
});

test('a watch goes on from the last version: of an event, or of a bookmark', async () => {
  open(
    list(10),
    stream([event('ADDED', thing('a-1', 11))]),
    stream([bookmark(500)]),
    stream([event('ADDED', thing('b-1', 501))], 'hang'),
  );
  await until('the last event', () => watch?.get('b-1'));
  expect(asked()).toEqual(['list', '10', '11', '500']);
  expect(errors).toEqual([]);
});

const broken: [string, Turn][] = [
  ['answered with 500', refuse(500, 'InternalError')],
  ['answered with 429', refuse(429, 'TooManyRequests', { headers: { 'retry-after': '1' } })],
  ['answered with 403', refuse(403, 'Forbidden')],
  ['dropped', reset],
  ['cut in the middle of a line', stream([event('ADDED', thing('a-1', 11)).slice(0, 30)], 'cut')],
  ['silent', quiet],
  ['answered with something else', stream(['<html>\n'])],
];
test.each(broken)('a watch that is %s goes on, and says so', async (_, turn) => {
  open(list(10), turn, stream([event('ADDED', thing('a-1', 11))], 'hang'));
  await until('the event after it', () => watch?.get('a-1'));
  expect(asked()).toEqual(['list', '10', '10']);
  expect(errors).toHaveLength(1);
});

test.each([
  ['as an event', stream([expired])],
  ['as an answer', refuse(410, 'Expired')],
])('410 %s lists again: what was missed is seen, what is gone is dropped', async (_, turn) => {
  const listed = list(90, thing('a-1', 80, 8), thing('c-1', 81));
  open(list(10, thing('a-1', 1), thing('b-1', 2)), turn, listed, quiet);
  const lost = watch?.waitFor(
    'b',
    (all) => all.length === 0 || undefined,
    AbortSignal.timeout(9000),
  );
  await until('the second list', () => watch?.get('c-1'));
  expect([sizeOf('a-1'), sizeOf('b-1')]).toEqual([8, undefined]);
  expect(await lost).toBe(true);
  expect(errors).toEqual([]);
});

test('a version that the server will not reach, of a store that was restored, is given up', async () => {
  const message = 'Too large resource version: 10, current: 3';
  const ahead = refuse(504, 'Timeout', { message });
  open(list(10), ahead, ahead, ahead, ahead, list(3, thing('a-1', 2)), quiet);
  await until('the second list', () => watch?.get('a-1'));
  expect(asked().slice(0, 6)).toEqual(['list', '10', '10', '10', '10', 'list']);
});

test('a server that fails again and again is asked more and more slowly, and never given up', async () => {
  const failing = Array.from({ length: 12 }, () => refuse(503, 'ServiceUnavailable'));
  const things = open(...failing, list(10, thing('a-1', 1)), quiet);
  await things.ready;
  expect(sizeOf('a-1')).toBe(0);
  expect(waits).toHaveLength(12);
  expect(waits.slice(0, 4)).toEqual([150, 300, 600, 1200]);
  expect(Math.max(...waits)).toBe(7500);
});

test('an object that cannot be read is told and left out, and the others are there', async () => {
  const odd = { metadata: { name: 'odd', resourceVersion: '1' } };
  const events = [event('ADDED', odd), event('ADDED', thing('b-1', 12))];
  open(list(10, odd, thing('a-1', 2)), stream(events, 'hang'));
  await until('the event after it', () => watch?.get('b-1'));
  expect(watch?.all()).toHaveLength(2);
  expect(errors).toHaveLength(2);
});

test('waiting ends with what is looked for, at the moment it is there', async () => {
  const gate = Promise.withResolvers<void>();
  const grown = event('MODIFIED', thing('a-1', 11, 7));
  const things = open(list(10, thing('a-1', 1)), stream([() => gate.promise, grown], 'hang'));
  const waiting = things.waitFor('a', largeSize, AbortSignal.timeout(20_000));
  await things.ready;
  gate.resolve();
  expect(await waiting).toBe(7);
  expect(await things.waitFor('a', largeSize, AbortSignal.timeout(20_000))).toBe(7);
});

test('waiting ends with its signal, with an error of its look, and when the watch is closed', async () => {
  const things = open(list(10, thing('a-1', 1)), quiet);
  await things.ready;
  const leave = new AbortController();
  const left = things.waitFor('a', () => undefined, leave.signal);
  const reason = new Error('the process leaves');
  leave.abort(reason);
  await expect(left).rejects.toBe(reason);
  const look = (): never => {
    throw reason;
  };
  await expect(things.waitFor('a', look, AbortSignal.timeout(9000))).rejects.toBe(reason);
  const closed = things.waitFor('a', () => undefined, AbortSignal.timeout(9000));
  things.close();
  await expect(closed).rejects.toThrow('the watch of /things is closed');
});

test('a watch that is closed lets go of its connection', async () => {
  const things = open(list(10), quiet);
  await until('the watch', () => api.requests.length === 2);
  things.close();
  expect(await until('its end', () => api.requests[1]?.isClosed())).toBe(true);
});
