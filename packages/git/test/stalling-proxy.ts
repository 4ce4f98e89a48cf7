import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface StallingProxy {
  port: number;
  /** Resolves when a connection has brought so many bytes that no more are passed on. */
  stalled: Promise<void>;
  close(): Promise<void>;
}

/** A network that stops in the middle of an upload: passes on `bytes` of each connection, then nothing. */
export async function startStallingProxy(
  targetPort: number,
  { bytes }: { bytes: number },
): Promise<StallingProxy> {
  const stalled = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = createConnection(targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    let passed = 0;
    client.on('data', (chunk) => {
      const rest = bytes - passed;
      passed += chunk.length;
      target.write(chunk.subarray(0, Math.max(0, rest)));
      if (passed >= bytes) stalled.resolve();
    });
    client.on('close', () => target.destroy());
    target.pipe(client);
    target.on('close', () => client.destroy());
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  return {
    port: (server.address() as AddressInfo).port,
    stalled: stalled.promise,
    close: () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      return closed.promise;
    },
  };
}
