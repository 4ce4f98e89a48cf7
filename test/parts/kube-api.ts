/**
 * The other side of the wire for faults that a real API server can't be made to show: HTTP on a real socket, with what it
 * answers to each request in turn told by the test.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';

export interface KubeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Whether the client has gone away. */
  readonly isClosed: () => boolean;
}

/** What is done with one request. */
export type Turn = (response: ServerResponse, request: KubeRequest) => void | Promise<void>;

export interface KubeApi {
  readonly kubeConfig: KubeConfig;
  readonly requests: KubeRequest[];
  /** Turns for the requests that come from now on, in order; the last one is taken again and again. */
  script(...turns: Turn[]): void;
  stop(): Promise<void>;
}

export async function startKubeApi(): Promise<KubeApi> {
  const requests: KubeRequest[] = [];
  let turns: Turn[] = [];
  const server = createServer((request, response) => {
    // A client that goes away in the middle is part of the tests.
    handle(request, response).catch(() => request.destroy());
  });
  const handle = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(message.url ?? '/', 'http://api');
    const request = {
      method: message.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: message.headers,
      body: await text(message),
      isClosed: () => response.destroyed,
    };
    requests.push(request);
    const turn = turns.length > 1 ? turns.shift() : turns[0];
    if (!turn) throw new Error(`no turn for ${request.method} ${request.path}`);
    await turn(response, request);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    kubeConfig: kubeConfigOf(`http://127.0.0.1:${port}`),
    requests,
    script(...next) {
      requests.length = 0;
      turns = next;
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function kubeConfigOf(server: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'peer', server, skipTLSVerify: true },
    { name: 'tester', token: 'test-token' },
  );
  return kubeConfig;
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Turn {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };
}

/** A refusal as the API server words it: a `v1` Status. */
export function refuse(
  status: number,
  reason: string,
  { headers = {}, message = reason }: { headers?: Record<string, string>; message?: string } = {},
): Turn {
  const body = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    message,
    reason,
    code: status,
  };
  return json(body, status, headers);
}

export const hang: Turn = () => undefined;

/** The connection breaks, with nothing said. */
export const reset: Turn = (response) => {
  response.socket?.resetAndDestroy();
};

/** Writes each part when the one before is out; a function is waited for. Then the stream ends, or is cut, or hangs. */
export function stream(
  parts: readonly (string | Buffer | (() => Promise<unknown>))[],
  then: 'end' | 'cut' | 'hang' = 'end',
): Turn {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.flushHeaders();
    for (const part of parts) {
      if (typeof part === 'function') await part();
      else await new Promise((resolve) => response.write(part, resolve));
    }
    if (then === 'end') response.end();
    if (then === 'cut') response.socket?.resetAndDestroy();
  };
}
