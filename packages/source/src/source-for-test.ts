/** A server of sources with one grant, as the tests of both ends need it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SourceRef } from '@hephy/core';
import { createSourceListener, sourceUrl, type SourceListenerDeps } from './source-listener.ts';

export const token = `hephy_${'t'.repeat(43)}`;
export const fetcher = 'f'.repeat(43);

export interface SourceServer {
  readonly server: Server;
  /** `host:port` */
  readonly host: string;
  readonly url: URL;
  readonly errors: unknown[];
  close(): Promise<void>;
}

/** The grant belongs to `fetcher`. */
export async function startSourceServer(
  source: SourceRef,
  deps: Omit<SourceListenerDeps, 'redeem' | 'onError'> & Partial<SourceListenerDeps>,
): Promise<SourceServer> {
  const errors: unknown[] = [];
  const listener = createSourceListener({
    redeem: async (grant) =>
      grant.token === token && grant.fetcher === fetcher ? source : undefined,
    onError: (error) => errors.push(error),
    ...deps,
  });
  const server = createServer((request, response) => {
    if (!listener(request, response)) response.writeHead(418).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    server,
    host,
    url: new URL(sourceUrl(`http://${host}`, token)),
    errors,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
