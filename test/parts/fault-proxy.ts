/**
 * A proxy before a real registry that speaks its protocol and breaks it on order. Each request takes the
 * first fault that fits it and has turns left; without one it passes through untouched. What arrived is
 * recorded, headers included.
 */
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type FaultKind =
  /** An answer of ours; the registry hears nothing. */
  | { do: 'answer'; status: number; headers?: Record<string, string>; body?: string }
  /** The connection breaks; the registry hears nothing. */
  | { do: 'reset' }
  /** The registry does what was asked; the connection breaks before its answer. */
  | { do: 'loseAnswer' }
  /** No answer ever. */
  | { do: 'hang' }
  /** The registry's answer with another body of the same length. */
  | { do: 'corruptBody' }
  /** The registry's answer, broken off in the middle of its body. */
  | { do: 'cutBody' }
  /** The registry's answer with these headers set, or taken away by undefined. */
  | { do: 'setHeaders'; headers: Record<string, string | undefined> };

export type Fault = FaultKind & {
  readonly method?: string;
  /** Of path and query. */
  readonly path?: RegExp;
  /** Turns that it has; left out: 1. */
  readonly times?: number;
};

export interface RecordedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly requests: RecordedRequest[];
  /** Forgets the faults before, and the recorded requests. */
  script(...faults: Fault[]): void;
  stop(): Promise<void>;
}

export interface FaultProxyOptions {
  /** The registry's `host:port`; left out, every request needs a fault of its own. */
  readonly upstream?: string;
  /** Decides before the script does, such as a server that wants a token. */
  readonly decide?: (request: RecordedRequest) => FaultKind | undefined;
  /** Of this machine, where it listens; left out, only the machine itself reaches it. */
  readonly address?: string;
}

/** Starts the proxy on a free port of this machine. */
export async function startFaultProxy(options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { upstream, decide, address = '127.0.0.1' } = options;
  const requests: RecordedRequest[] = [];
  let faults: { fault: Fault; left: number }[] = [];
  const takeFault = (request: RecordedRequest): FaultKind | undefined => {
    const { method, path } = request;
    const decided = decide?.(request);
    if (decided) return decided;
    const found = faults.find(
      ({ fault, left }) =>
        left > 0 && (fault.method ?? method) === method && (fault.path ?? /^/).test(path),
    );
    if (found) found.left -= 1;
    return found?.fault;
  };
  const server = createServer((request, response) => {
    const recorded = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
    };
    requests.push(recorded);
    // A client that goes away in the middle is part of the tests.
    handle({ request, response, fault: takeFault(recorded) }, upstream).catch(() =>
      request.destroy(),
    );
  });
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `${address}:${port}`,
    port,
    url: `http://${address}:${port}`,
    requests,
    script(...next) {
      requests.length = 0;
      faults = next.map((fault) => ({ fault, left: fault.times ?? 1 }));
    },
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Turn {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: FaultKind | undefined;
}

async function handle({ request, response, fault }: Turn, upstream?: string): Promise<void> {
  if (fault?.do === 'reset') {
    request.socket.resetAndDestroy();
    return;
  }
  const body = await buffer(request);
  if (fault?.do === 'hang') return;
  if (fault?.do === 'answer') {
    response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
    response.end(fault.body ?? '');
    return;
  }
  if (upstream === undefined) throw new Error(`no fault for ${request.method} ${request.url}`);
  const answer = await forward(request, { body, upstream });
  if (fault?.do === 'loseAnswer') {
    request.socket.resetAndDestroy();
    return;
  }
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  if (fault?.do === 'setHeaders') {
    for (const [name, value] of Object.entries(fault.headers)) {
      if (value === undefined) response.removeHeader(name);
      else response.setHeader(name, value);
    }
  }
  response.statusCode = answer.status;
  if (fault?.do === 'cutBody') {
    response.write(answer.body.subarray(0, answer.body.length / 2), () =>
      request.socket.resetAndDestroy(),
    );
    return;
  }
  response.end(fault?.do === 'corruptBody' ? corrupt(answer.body) : answer.body);
}

async function forward(
  request: IncomingMessage,
  { body, upstream }: { body: Buffer; upstream: string },
): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  const { method, url: path, headers } = request;
  const forwarded = httpRequest({
    host: upstream.split(':')[0],
    port: upstream.split(':')[1],
    method,
    path,
    // With the proxy's own Host the registry sends its upload addresses back through us.
    headers,
    agent: false,
  });
  forwarded.end(body);
  const [answer] = (await once(forwarded, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

/** Changes one small letter in a hex digest or word, so that JSON stays JSON. */
function corrupt(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const at = changed.findLastIndex((byte) => byte >= 0x30 && byte <= 0x38);
  if (at >= 0) changed[at] = (changed[at] ?? 0) + 1;
  return changed;
}
