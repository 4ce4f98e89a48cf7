import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  hang,
  refuse,
  reset,
  startKubeApi,
  stream,
  type KubeApi,
  type KubeRequest,
  type Turn,
} from '../../../../test/parts/kube-api.ts';
import { until } from '../../../../test/parts/until.ts';
import type { LogChunk } from '../driver.ts';
import { followPodLog, type LogState } from './follow-pod-log.ts';
import { createKubeClient, type KubeClient } from './kube-client.ts';

const baseTime = '2026-11-22T09:00:00Z';

let api: KubeApi;
let client: KubeClient;
let waits: number[] = [];
beforeAll(async () => {
  api = await startKubeApi();
  client = createKubeClient({
    kubeConfig: api.kubeConfig,
    namespace: 'builds',
    limits: { headersTimeoutMs: 1_000 },
    now: () => new Date(),
    random: () => 0.5,
    wait: async (ms, signal) => {
      waits.push(ms);
      await delay(10, undefined, { signal });
    },
  });
});
afterEach(() => {
  waits = [];
});
afterAll(async () => {
  await client.close();
  await api.stop();
});

/** A container as the shared watch shows it. */
function container(first: LogState): {
  state: () => LogState;
  changed: (signal: AbortSignal) => Promise<void>;
  become: (next: LogState) => void;
} {
  let state = first;
  const changes = new EventTarget();
  return {
    state: () => state,
    changed: async (signal) => {
      await once(changes, 'change', { signal });
    },
    become(next) {
      state = next;
      changes.dispatchEvent(new Event('change'));
    },
  };
}

type Container = ReturnType<typeof container>;

function follow(
  { state, changed }: Container,
  { fromOffset = 0, signal = AbortSignal.timeout(30_000) } = {},
): AsyncGenerator<LogChunk> {
  const named = { podName: 'b-1-x', container: 'build', baseTime, fromOffset };
  return followPodLog({ client, ...named, state, changed, signal });
}

async function textOf(chunks: AsyncIterable<LogChunk>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk.text;
  return text;
}

/** Line `n` is written `n` × 0.3 s after the base. */
function line(n: number): string {
  const at = new Date(Date.parse(baseTime) + n * 300).toISOString().slice(0, -1);
  return `${at}000000Z line ${n}\n`;
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => line(from + index)).join('');
const expected = (from: number, to: number): string => lines(from, to).replaceAll(/^\S+ /gm, '');

/** What a kubelet answers of lines 0 to `count`: those at and after sinceTime. */
function kubelet(count: number, then: 'end' | 'cut' | 'hang' = 'end', cutBytes = 0): Turn {
  return (response, request) => {
    const since = Date.parse(request.query['sinceTime'] ?? baseTime);
    const from = Math.max(0, Math.ceil((since - Date.parse(baseTime)) / 300));
    const all = lines(from, count);
    return stream([all.slice(0, all.length - cutBytes)], then)(response, request);
  };
}

test('a log is told while it grows, and once more to its end when the container has ended', async () => {
  const pod = container('waiting');
  const grow = Promise.withResolvers<void>();
  api.script(stream([lines(0, 2), () => grow.promise, line(2)], 'hang'), kubelet(5));
  const chunks = follow(pod);
  const first = chunks.next();
  pod.become('running');
  expect((await first).value).toMatchObject({ fromOffset: 0, text: expected(0, 2) });
  grow.resolve();
  expect((await chunks.next()).value).toMatchObject({ text: expected(2, 3) });
  const last = chunks.next();
  pod.become('ended');
  expect((await last).value).toMatchObject({ text: expected(3, 5) });
  expect(await chunks.next()).toEqual({ done: true, value: undefined });
  expect(api.requests.map(({ path, query }) => ({ path, ...query }))).toEqual([
    {
      path: '/api/v1/namespaces/builds/pods/b-1-x/log',
      container: 'build',
      timestamps: 'true',
      follow: 'true',
    },
    {
      path: '/api/v1/namespaces/builds/pods/b-1-x/log',
      container: 'build',
      timestamps: 'true',
      sinceTime: '2026-11-22T08:59:59Z',
    },
  ]);
});

const cuts: [string, Turn][] = [
  ['drops in the middle of a line', kubelet(40, 'cut', 8)],
  ['ends well', kubelet(40)],
  ['drops before its answer', reset],
  ['does not answer', hang],
  ['fails', refuse(500, 'InternalError', { message: 'dial tcp 10.0.0.1:10250: i/o timeout' })],
  ['is limited', refuse(429, 'TooManyRequests', { headers: { 'retry-after': '1' } })],
  ['has lost the pod for a moment', refuse(404, 'NotFound')],
  ['tells of an error instead', stream(['failed to create fsnotify watcher: too many open files'])],
];
test.each(cuts)('a log whose server %s is told without a line lost or doubled', async (_, turn) => {
  const pod = container('running');
  api.script(kubelet(17, 'cut', 3), turn, kubelet(60), (response, request) => {
    pod.become('ended');
    return kubelet(100)(response, request);
  });
  expect(await textOf(follow(pod))).toBe(expected(0, 100));
});

test('a log is resumed at any chunk by whoever comes later', async () => {
  const ended = container('ended');
  const script = Array.from({ length: 30 }, (_, index) => [line(index)]).flat();
  api.script(stream(script));
  const all: LogChunk[] = [];
  for await (const chunk of follow(ended)) all.push(chunk);
  api.script(kubelet(30));
  for (const [index, { toOffset }] of all.entries()) {
    const before = all.slice(0, index + 1).map(({ text }) => text);
    const rest = await textOf(follow(ended, { fromOffset: toOffset }));
    expect(before.join('') + rest).toBe(expected(0, 30));
  }
});

test('lines that the node threw away while it could not be reached are missed aloud', async () => {
  const pod = container('running');
  api.script(kubelet(10, 'cut'), (response, request) => {
    pod.become('ended');
    return stream([lines(25, 30)])(response, request);
  });
  const text = await textOf(follow(pod));
  expect(text).toMatch(/^line 9\n\[lines may be missing here: .*\]\nline 25\n/m);
});

test('a reader who is behind when the container ends is told what its node has rotated away', async () => {
  const pod = container('running');
  api.script(stream([lines(0, 20), lines(20, 40)], 'hang'), stream([lines(38, 50)]));
  let text = '';
  for await (const chunk of follow(pod)) {
    if (text === '') {
      pod.become('ended');
      waits = [];
      await until('some looks at the reader', () => waits.length > 5);
    }
    text += chunk.text;
  }
  expect(text).toBe(expected(0, 50));
});

test('a clock that was set back while the server was away loses no line', async () => {
  const pod = container('running');
  const back = Array.from({ length: 10 }, (_, n) => `2026-11-22T08:50:0${n}.5Z back ${n}\n`);
  const all = (count: number): string => lines(0, 20) + back.slice(0, count).join('');
  api.script(stream([all(4)], 'cut'), reset, (response, request) => {
    pod.become('ended');
    expect(request.query['sinceTime']).toBeUndefined();
    return stream([all(10)])(response, request);
  });
  const told = back.map((_, n) => `back ${n}\n`).join('');
  expect(await textOf(follow(pod))).toBe(expected(0, 20) + told);
});

test('a container that ended before anybody looked has all of its log, and one that never started none', async () => {
  api.script(kubelet(3));
  expect(await textOf(follow(container('ended')))).toBe(expected(0, 3));
  const message = 'container "build" in pod "b-1-x" is waiting to start: PodInitializing';
  api.script(refuse(400, 'BadRequest', { message }));
  expect(await textOf(follow(container('ended')))).toBe('');
  expect(api.requests).toHaveLength(1);
});

test('a container that is not quite there yet is asked again', async () => {
  const pod = container('running');
  const message = 'container "build" in pod "b-1-x" is waiting to start: ContainerCreating';
  api.script(refuse(400, 'BadRequest', { message }), (response, request) => {
    pod.become('ended');
    return kubelet(3)(response, request);
  });
  expect(await textOf(follow(pod))).toBe(expected(0, 3));
});

test('a pod that goes away ends its log', async () => {
  for (const before of ['waiting', 'running'] as const) {
    const pod = container(before);
    api.script(kubelet(3, 'hang'));
    const text = textOf(follow(pod));
    if (before === 'running') await until('the log is read', () => api.requests.length === 1);
    pod.become('gone');
    expect(expected(0, 3)).toContain(await text);
  }
});

test('a pod that is not found is asked for until the watch shows that it is gone', async () => {
  const pod = container('running');
  const notFound = Array.from({ length: 9 }, () => refuse(404, 'NotFound'));
  api.script(...notFound, (response, request) => {
    pod.become('gone');
    return refuse(404, 'NotFound')(response, request);
  });
  expect(await textOf(follow(pod))).toBe('');
  expect(api.requests).toHaveLength(10);
});

test('a log that cannot be read to its end says so, after a few tries', async () => {
  const pod = container('running');
  api.script(
    kubelet(4, 'cut'),
    (response, request) => {
      pod.become('ended');
      return refuse(500, 'InternalError', { message: 'no route to host' })(response, request);
    },
    refuse(500, 'InternalError', { message: 'no route to host' }),
  );
  const text = await textOf(follow(pod));
  expect(text).toMatch(
    /^line 3\n\[the rest of the log could not be read: .*no route to host\]\n$/m,
  );
  expect(api.requests.length).toBeLessThan(12);
});

test('a node that is lost is asked more and more slowly', async () => {
  const pod = container('running');
  const failing = Array.from({ length: 12 }, () => refuse(500, 'InternalError'));
  api.script(...failing, (response, request) => {
    pod.become('ended');
    return kubelet(2)(response, request);
  });
  expect(await textOf(follow(pod))).toBe(expected(0, 2));
  expect(waits.slice(0, 3)).toEqual([150, 300, 600]);
  expect(Math.max(...waits)).toBe(7500);
});

test('a reader who leaves takes the connection along', async () => {
  api.script(kubelet(3, 'hang'));
  for await (const chunk of follow(container('running'))) {
    expect(chunk.text).toBe(expected(0, 3));
    break;
  }
  expect(await until('its end', () => api.requests[0]?.isClosed())).toBe(true);
});

test("an abort is the caller's reason, while reading and while waiting", async () => {
  const reason = new Error('the process leaves');
  for (const state of ['waiting', 'running'] as const) {
    const leave = new AbortController();
    api.script(kubelet(3, 'hang'));
    const text = textOf(follow(container(state), { signal: leave.signal }));
    if (state === 'running') await until('the log is read', () => api.requests.length === 1);
    leave.abort(reason);
    await expect(text).rejects.toBe(reason);
  }
});

test('a reader who stops holds the server back, and no memory grows', async () => {
  let written = 0;
  const endless: Turn = async (response: ServerResponse, request: KubeRequest) => {
    response.writeHead(200);
    const block = Buffer.from(`2026-11-22T09:00:01.5Z ${'x'.repeat(200)}\n`.repeat(300));
    response.setMaxListeners(0);
    while (!request.isClosed()) {
      written += block.length;
      if (!response.write(block))
        await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  };
  api.script(endless);
  const chunks = follow(container('running'));
  await chunks.next();
  let before = -1;
  await until('the server is held back', async () => {
    const still = written === before;
    before = written;
    await delay(60);
    return still;
  });
  expect(written).toBeLessThan(16 * 1024 * 1024);
  await chunks.return(undefined);
});
