import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedDelivery {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** How the receiver answers one request. */
export type ScriptedAnswer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Reads the request, and never answers. */
  | 'silence'
  /** Cuts the connection instead of an answer. */
  | 'reset'
  /** Answers 200 and a body that goes on as long as somebody reads. */
  | 'endless body';

export interface WebhookReceiver {
  /** `http://127.0.0.1:<port>/hook` */
  readonly url: string;
  readonly port: number;
  readonly received: readonly ReceivedDelivery[];
  /** What the next requests are answered, one each; 200 after that. */
  script(...answers: ScriptedAnswer[]): void;
  /** Waits until so many requests have come in. */
  untilReceived(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A real HTTP server that stands for whoever is told of releases. */
export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const received: ReceivedDelivery[] = [];
  const answers: ScriptedAnswer[] = [];
  const server = http.createServer((request, response) => {
    const take = async (): Promise<void> => {
      received.push(await receive(request));
      server.emit('received');
      answer(response, answers.shift() ?? { status: 200 });
    };
    // A sender that leaves halfway has delivered nothing.
    take().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    script: (...next) => void answers.push(...next),
    untilReceived: async (count) => {
      const signal = AbortSignal.timeout(60_000);
      while (received.length < count) await once(server, 'received', { signal });
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function receive(request: IncomingMessage): Promise<ReceivedDelivery> {
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    ),
    body: await text(request),
  };
}

function answer(response: ServerResponse, scripted: ScriptedAnswer): void {
  switch (scripted) {
    case 'silence':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'endless body':
      response.writeHead(200);
      pour(response);
      return;
    default:
      response.writeHead(scripted.status, scripted.headers).end(scripted.body);
  }
}

function pour(response: ServerResponse): void {
  if (response.destroyed) return;
  response.write('x'.repeat(1024), () => setImmediate(pour, response));
}
