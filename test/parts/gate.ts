import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './until.ts';

/** Holds build steps: `RUN` asks for a door with wget, and gets its answer when the test opens it. */
export interface Gate {
  /** A Dockerfile line that stands still at the door. The name has to be new, or the step may come from a cache. */
  step(door: string): string;
  /** Waits until a build stands at the door. */
  arrived(door: string): Promise<void>;
  /** How many builds have come to the door in all. */
  arrivals(door: string): number;
  open(door: string): void;
  close(): Promise<void>;
}

/** `host` is an address of this machine that builds reach. */
export async function startGate(host = '127.0.0.1'): Promise<Gate> {
  const counts = new Map<string, number>();
  const waiting = new Map<string, ServerResponse[]>();
  const opened = new Set<string>();
  const server = createServer((request, response) => {
    const door = (request.url ?? '').slice(1);
    counts.set(door, (counts.get(door) ?? 0) + 1);
    if (opened.has(door)) response.end('open\n');
    else waiting.set(door, [...(waiting.get(door) ?? []), response]);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const arrivals = (door: string): number => counts.get(door) ?? 0;
  return {
    step: (door) => `RUN echo at ${door} && wget -q -O - http://${host}:${port}/${door}`,
    arrived: (door) =>
      until(`a build at the door ${door}`, () => arrivals(door) > 0 || undefined).then(
        () => undefined,
      ),
    arrivals,
    open(door) {
      opened.add(door);
      for (const response of waiting.get(door) ?? []) response.end('open\n');
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
