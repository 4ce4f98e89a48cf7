/**
 * A proxy before the API server that breaks on order what passes through it. Each request takes the first fault that fits
 * it and has turns left. Answers are passed on as they come, so watches and logs live on until they are cut.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { until } from '../parts/until.ts';
import type { Cluster } from './start-cluster.ts';

export type ApiFaultKind =
  /** A refusal of ours, a `v1` Status; the API server hears nothing. */
  | { do: 'answer'; status: number; headers?: Record<string, string> }
  /** An answer that a list or a watch may have: the version is too old. */
  | { do: 'expire' }
  /** The connection breaks; the API server hears nothing. */
  | { do: 'reset' }
  /** The API server does what was asked; the connection breaks before its answer. */
  | { do: 'loseAnswer' }
  /** The API server does what was asked; its answer never comes. */
  | { do: 'hold' };

export type ApiFault = ApiFaultKind & {
  readonly method?: string;
  /** Of path and query. */
  readonly path: RegExp;
  /** Turns that it has; left out: 1. */
  readonly times?: number;
};

export interface ApiProxy {
  /** Where a kubeconfig may look for the API server. */
  readonly url: string;
  /** Path and query of all requests since `script`, after their method and a space. */
  readonly requests: readonly string[];
  /** Forgets the faults before. */
  script(...faults: ApiFault[]): void;
  /** Faults of the script that nobody has met. */
  unmet(): ApiFault[];
  /** Waits until a request is held. */
  held(path: RegExp): Promise<void>;
  /** Breaks the open connections of these requests, and answers how many there were. */
  cut(path: RegExp): number;
  /** From now on nothing of these requests comes through, in either direction, and no connection ends. */
  freeze(path: RegExp): void;
  /** All that waited goes on. */
  thaw(): void;
  stop(): Promise<void>;
}

interface Passing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Method, path and query. */
  readonly what: string;
  isHeld: boolean;
}

interface Wire {
  readonly server: string;
  readonly agent: Agent;
  /** Resolves when the request is not frozen. */
  readonly thawed: (passing: Passing) => Promise<void>;
}

/** Starts it on a free port of this machine. It adds no credentials: those of the request have to do. */
export async function startApiProxy(cluster: Cluster): Promise<ApiProxy> {
  const agent = new Agent({ ca: cluster.credentials.ca, keepAlive: true });
  const requests: string[] = [];
  const open = new Set<Passing>();
  let faults: { fault: ApiFault; left: number }[] = [];
  let frozen: (PromiseWithResolvers<void> & { path: RegExp }) | undefined;
  const thawed = async ({ what }: Passing): Promise<void> => {
    if (frozen?.path.test(what)) await frozen.promise;
  };
  const wire = { server: cluster.server, agent, thawed };
  const takeFault = ({ request: { method, url = '' } }: Passing): ApiFault | undefined => {
    const found = faults.find(
      ({ fault, left }) => left > 0 && (fault.method ?? method) === method && fault.path.test(url),
    );
    if (found) found.left -= 1;
    return found?.fault;
  };
  const { certificate: cert, key } = cluster.serverCredentials;
  const server = createServer({ cert, key }, (request, response) => {
    const what = `${request.method} ${request.url}`;
    const passing = { request, response, what, isHeld: false };
    requests.push(what);
    open.add(passing);
    response.once('close', () => open.delete(passing));
    // A client that goes away in the middle is part of the tests.
    pass(passing, takeFault(passing), wire).catch(() => request.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const thaw = (): void => {
    frozen?.resolve();
    frozen = undefined;
  };
  return {
    url: `https://127.0.0.1:${port}`,
    requests,
    script(...next) {
      requests.length = 0;
      faults = next.map((fault) => ({ fault, left: fault.times ?? 1 }));
    },
    unmet: () => faults.flatMap(({ fault, left }) => (left > 0 ? [fault] : [])),
    async held(path) {
      const isThere = () => [...open].some(({ isHeld, what }) => isHeld && path.test(what));
      await until(`a request that is held: ${path.source}`, isThere);
    },
    cut(path) {
      const matching = [...open].filter(({ what }) => path.test(what));
      for (const { request } of matching) request.socket.destroy();
      return matching.length;
    },
    freeze(path) {
      thaw();
      frozen = { ...Promise.withResolvers<void>(), path };
    },
    thaw,
    async stop() {
      thaw();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      agent.destroy();
    },
  };
}

async function pass(passing: Passing, fault: ApiFault | undefined, wire: Wire): Promise<void> {
  const { request, response } = passing;
  if (fault?.do === 'reset') {
    request.socket.destroy();
    return;
  }
  const body = await buffer(request);
  await wire.thawed(passing);
  if (fault?.do === 'answer') return refuse(response, fault);
  if (fault?.do === 'expire') return refuse(response, { status: 410 });
  const answer = await forward(request, body, wire);
  if (fault?.do === 'loseAnswer' || fault?.do === 'hold') {
    await buffer(answer);
    if (fault.do === 'loseAnswer') request.socket.destroy();
    else passing.isHeld = true;
    return;
  }
  response.writeHead(answer.statusCode ?? 0, answer.headers);
  response.flushHeaders();
  response.once('close', () => answer.destroy());
  for await (const part of answer) {
    await wire.thawed(passing);
    if (!response.write(part)) await once(response, 'drain');
  }
  await wire.thawed(passing);
  response.end();
}

async function forward(
  { method, url, headers }: IncomingMessage,
  body: Buffer,
  { server, agent }: Wire,
): Promise<IncomingMessage> {
  const forwarded = httpsRequest(new URL(url ?? '/', server), { method, headers, agent });
  forwarded.end(body);
  const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
  return answer;
}

const words: Readonly<Record<number, string>> = {
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
};

function refuse(
  response: ServerResponse,
  { status, headers }: { status: number; headers?: Record<string, string> },
): void {
  const reason = words[status] ?? `${status}`;
  const said = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code: status };
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ ...said, message: `${reason}, as the test wants it` }));
}
