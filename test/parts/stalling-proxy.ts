import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A wire that passes so many bytes of the client's and then none: an upload that stands still. */
export interface StallingProxy {
  /** `host:port` */
  readonly host: string;
  /** Resolves once bytes are held back. */
  readonly stalled: Promise<void>;
  close(): Promise<void>;
}

export async function startStallingProxy(to: string, afterBytes: number): Promise<StallingProxy> {
  const stalled = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const [host = '', port] = to.split(':');
    const upstream = connect(Number(port), host);
    let left = afterBytes;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // The other end hears of it by the close.
      socket.on('error', () => undefined);
    }
    client.on('data', (bytes: Buffer) => {
      upstream.write(bytes.subarray(0, Math.max(0, left)));
      left -= bytes.length;
      if (left < 0) stalled.resolve();
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    stalled: stalled.promise,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
