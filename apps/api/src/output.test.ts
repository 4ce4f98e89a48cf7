import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { renderEntry, renderSummary } from '@hephy/core';
import { createActors } from './test-actors.ts';
import { platforms, settle, startRig, type Rig } from './test-rig.ts';

let rig: Rig;
let town: Awaited<ReturnType<typeof settle>>;
let actors: ReturnType<typeof createActors>;
let address: string;

beforeAll(async () => {
  rig = await startRig({ quietMs: 250 });
  town = await settle(rig);
  actors = createActors(rig);
  address = await rig.server.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => rig.stop());

function open(buildId: string, headers: Record<string, string> = {}, query = '') {
  return openAt(`${address}/v1/builds/${buildId}/logs${query}`, headers);
}

function openAt(url: string, headers: Record<string, string> = {}) {
  return fetch(url, {
    headers: { authorization: `Bearer ${town.people.reader.token}`, ...headers },
  });
}

interface Events {
  readonly status: number;
  /** Until `enough` says so of all events yet, or the stream ends. */
  read(enough?: (events: EventSourceMessage[]) => boolean): Promise<EventSourceMessage[]>;
  readonly comments: string[];
  leave(): Promise<void>;
}

async function openEvents(buildId: string, lastEventId?: string, query?: string): Promise<Events> {
  const response = await open(
    buildId,
    { accept: 'text/event-stream', ...(lastEventId && { 'last-event-id': lastEventId }) },
    query,
  );
  const events: EventSourceMessage[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onComment: (comment) => comments.push(comment),
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  return {
    status: response.status,
    comments,
    async read(enough = () => false) {
      while (!enough(events)) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
        if (done || value === undefined) break;
        parser.feed(value);
      }
      return events;
    },
    leave: async () => reader?.cancel(),
  };
}

const idsOf = (events: EventSourceMessage[]) => events.map(({ id }) => id);

describe('server-sent events', () => {
  it('bring every entry once, in order, as it happens, then an end, then 204', async () => {
    const id = await actors.push(await town.makeApp('live'));
    const events = await openEvents(id);
    await events.read((seen) => seen.length >= 1);
    await actors.start(id);
    for (let line = 1; line <= 20; line += 1) {
      await actors.say(id, 'linux/arm64', `line ${line}\n`);
    }
    await actors.build(id);
    await actors.publish(id);
    const seen = await events.read();
    const entries = await rig.records.readOutput({ buildId: id, afterSeq: 0, limit: 1000 });
    expect(idsOf(seen).slice(0, -1)).toEqual(entries.map(({ seq }) => String(seq)));
    const last = seen.at(-1);
    expect(last).toMatchObject({ event: 'end', data: '{"state":"succeeded"}' });
    const logs = seen.filter(({ event }) => event === 'log').map(({ data }) => JSON.parse(data));
    expect(logs.map(({ text }) => text).join('')).toContain('line 19\nline 20\n');
    expect((await openEvents(id, last?.id)).status).toBe(204);
    const again = await openEvents(id, seen.at(-2)?.id);
    expect((await again.read()).map(({ event }) => event)).toEqual(['end']);
  });

  it('resume exactly where a client left off, wherever that was', async () => {
    const id = await actors.push(await town.makeApp('resume'));
    await actors.start(id);
    for (let line = 1; line <= 100; line += 1) {
      await actors.say(id, 'linux/amd64', `line ${line}\n`);
    }
    await actors.fail(id, 'linux/amd64');
    const whole = idsOf(await (await openEvents(id)).read());
    const pieces: (string | undefined)[] = [];
    while (pieces.at(-1) !== whole.at(-1)) {
      const events = await openEvents(id, pieces.at(-1));
      const upTo = pieces.length === 0 ? 1 : 37;
      const seen = await events.read((all) => all.length >= upTo);
      pieces.push(...idsOf(seen.slice(0, upTo)));
      await events.leave();
    }
    expect(pieces).toEqual(whole);
  });

  it('catch up at once with a build that says nothing now', async () => {
    const server = await rig.serve({ limits: { requestsPerMinute: 1_000, quietMs: 600_000 } });
    const at = await server.listen({ host: '127.0.0.1', port: 0 });
    const id = await actors.push(await town.makeApp('hushed'));
    await actors.start(id);
    for (let line = 1; line <= 100; line += 1) {
      await actors.say(id, 'linux/amd64', `line ${line}\n`);
    }
    const response = await openAt(`${at}/v1/builds/${id}/logs?follow=true`);
    let text = '';
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    while (!text.includes('line 100\n')) text += (await reader?.read())?.value ?? '';
    await reader?.cancel();
    await server.close();
    expect(text.match(/line \d+/g)).toHaveLength(100);
  });

  it('leave out what other platforms said, and keep what concerns the build', async () => {
    const id = await actors.push(await town.makeApp('filter'));
    await actors.start(id);
    await actors.say(id, 'linux/amd64', 'from amd64\n');
    await actors.say(id, 'linux/arm64', 'from arm64\n');
    await actors.fail(id, 'linux/arm64');
    const seen = await (await openEvents(id, undefined, '?platform=linux/aarch64')).read();
    const text = seen.map(({ data }) => data).join('\n');
    expect(text).toContain('from arm64');
    expect(text).not.toContain('from amd64');
    expect(text).toContain('build.queued');
    const banana = await open(id, {}, '?platform=linux/banana');
    expect(await banana.json()).toMatchObject({ status: 400, code: 'InvalidRequest' });
    const other = await open(id, {}, '?platform=linux/riscv64');
    expect(await other.text()).toContain('linux/amd64, linux/arm64');
  });

  it('show in silence that they live, and end when the client has gone', async () => {
    const id = await actors.push(await town.makeApp('quiet'));
    const events = await openEvents(id);
    await events.read(() => events.comments.length >= 3);
    expect(events.comments).toContain('still here');
    await events.leave();
    expect((await openEvents(id, 'banana')).status).toBe(400);
  });

  it('go on from the record while Redis is away', async () => {
    const id = await actors.push(await town.makeApp('deaf'));
    await rig.redis.kill();
    try {
      const events = await openEvents(id);
      await actors.start(id);
      await actors.say(id, 'linux/arm64', 'still heard\n');
      await actors.fail(id, 'linux/arm64');
      const seen = await events.read();
      expect(seen.map(({ data }) => data).join()).toContain('still heard');
      expect(seen.at(-1)?.event).toBe('end');
    } finally {
      await rig.redis.start();
    }
  });
});

describe('plain text', () => {
  it('is what the push shows, live or later', async () => {
    const id = await actors.push(await town.makeApp('text'));
    const live = open(id, {}, '?follow=true').then((response) => response.text());
    await actors.start(id);
    await actors.say(id, 'linux/arm64', 'one\ntwo\u001b[31m red\n');
    const soFar = await (await open(id, { accept: '*/*' })).text();
    expect(soFar).toContain('       [arm64] two red\n');
    expect(soFar).not.toContain('└──');
    await actors.build(id);
    await actors.publish(id);
    const record = await rig.records.readBuild(id);
    const entries = await rig.records.readOutput({ buildId: id, afterSeq: 0, limit: 1000 });
    const labels = new Map(platforms.map((name) => [name, name.slice('linux/'.length)]));
    const lines = [
      ...entries.flatMap((entry) => renderEntry(entry, labels)),
      ...(record ? renderSummary(record) : []),
    ];
    expect(await live).toBe(`${lines.join('\n')}\n`);
    expect(await (await open(id, { accept: 'text/plain' })).text()).toBe(await live);
  });

  it('is refused to who takes neither of the two shapes', async () => {
    const id = await actors.push(await town.makeApp('picky'));
    const answer = await open(id, { accept: 'image/png, text/plain;q=0' });
    expect(answer.status).toBe(406);
    expect(await answer.json()).toMatchObject({ code: 'NotAcceptable' });
  });
});

describe('a client that does not read', () => {
  it('has little held for it, and does not keep the server from stopping', async () => {
    const server = await rig.serve({
      records: { ...rig.records, readOutput: endlessOutput },
      limits: { requestsPerMinute: 1_000, streamGraceMs: 200 },
    });
    const id = await actors.push(await town.makeApp('slow'));
    await server.listen({ host: '127.0.0.1', port: 0 });
    const serverSide = once(server.server, 'connection');
    const socket = await askAndStall(server, { id, token: town.people.reader.token });
    const [connection] = (await serverSide) as [Socket];
    await vi.waitFor(() => expect(connection.writableNeedDrain).toBe(true), { timeout: 50_000 });
    // Whoever reads ahead has many turns to do so.
    for (let turn = 0; turn < 500; turn += 1) await setImmediate();
    expect(connection.writableLength).toBeLessThan(1024 * 1024);
    await server.close();
    socket.destroy();
  });

  it('is ended by a stop of the server, like every stream', async () => {
    const server = await rig.serve({ limits: { requestsPerMinute: 1_000, quietMs: 60_000 } });
    const id = await actors.push(await town.makeApp('stopped'));
    const at = await server.listen({ host: '127.0.0.1', port: 0 });
    const response = await openAt(`${at}/v1/builds/${id}/logs`, { accept: 'text/event-stream' });
    const text = response.text();
    await server.close();
    expect(await text).toContain('build.queued');
    expect(await text).not.toContain('event: end');
  });
});

/** A log without an end, in the largest pieces there are. */
const endlessOutput: Rig['records']['readOutput'] = async ({ afterSeq, limit }) =>
  Array.from({ length: limit }, (_one, index) => ({
    kind: 'log' as const,
    seq: afterSeq + 1 + index,
    at: new Date(0),
    image: 'web',
    platform: 'linux/arm64',
    text: `${'x'.repeat(64 * 1024 - 1)}\n`,
  }));

/** A client that sends its request and reads the first bytes only. */
async function askAndStall(
  { server }: FastifyInstance,
  ask: { id: string; token: string },
): Promise<Socket> {
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `GET /v1/builds/${ask.id}/logs HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${ask.token}\r\n\r\n`,
  );
  await once(socket, 'data');
  socket.pause();
  return socket;
}
