import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A wire that breaks on order: every connection over it at once. What comes after it passes again. */
export interface CutProxy {
  /** `host:port` */
  readonly host: string;
  cut(): void;
  close(): Promise<void>;
}

/** `to` is `host:port`. */
export async function startCutProxy(to: string): Promise<CutProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const [host = '', port] = to.split(':');
    const upstream = connect(Number(port), host);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // The other end hears of it by the close.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    host: `127.0.0.1:${port}`,
    cut,
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
