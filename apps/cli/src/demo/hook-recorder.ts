import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';

export interface HookRecorder {
  readonly url: string;
  /** Bodies of the deliveries, in the order they came. */
  readonly bodies: readonly string[];
  close(): Promise<void>;
}

async function record(request: IncomingMessage, bodies: string[]): Promise<void> {
  bodies.push(await text(request));
}

/** A release hook's receiver that keeps what it is told. */
export async function startHookRecorder(): Promise<HookRecorder> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void record(request, bodies)
      .then(() => response.writeHead(204).end())
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port to listen on');
  return {
    url: `http://127.0.0.1:${address.port}/releases`,
    bodies,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
