/**
 * A proxy before a registry, over TLS with a certificate of its own authority. Over HTTP/1.1 it passes everything on; a
 * client that prefers HTTP/2 finds it spoken, and each of its requests broken off.
 */
import { createSecureServer, constants, type ServerHttp2Stream } from 'node:http2';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Http2Breaker {
  /** `host:port` */
  readonly host: string;
  /** Its certificate in PEM, which is its own authority. */
  readonly certificate: string;
  /** Requests that came over each protocol. */
  readonly counts: { http1: number; http2: number };
  /** The digests of the blobs that were sent to the end, in order. */
  readonly uploads: readonly string[];
  stop(): Promise<void>;
}

/** Listens on an address of this machine; `upstream` is the `host:port` of a registry that speaks plain http. */
export async function startHttp2Breaker(address: string, upstream: string): Promise<Http2Breaker> {
  const { key, certificate } = await makeCertificate(address);
  const counts = { http1: 0, http2: 0 };
  const uploads: string[] = [];
  const server = createSecureServer({ key, cert: certificate, allowHTTP1: true });
  server.on('stream', (stream: ServerHttp2Stream) => {
    counts.http2 += 1;
    stream.on('error', () => undefined);
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  });
  server.on('request', (incoming, response) => {
    if (incoming.httpVersionMajor === 2) return;
    counts.http1 += 1;
    const { searchParams } = new URL(incoming.url, 'https://registry');
    const digest = incoming.method === 'PUT' && searchParams.get('digest');
    if (digest) uploads.push(digest);
    // With `allowHTTP1`, requests of HTTP/1 are what node:http gives.
    passOn(incoming as unknown as IncomingMessage, {
      response: response as unknown as ServerResponse,
      upstream,
    });
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    host: `${address}:${(server.address() as AddressInfo).port}`,
    certificate,
    counts,
    uploads,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function passOn(
  incoming: IncomingMessage,
  { response, upstream }: { response: ServerResponse; upstream: string },
): void {
  const { method, url, headers } = incoming;
  const outgoing = request(`http://${upstream}${url}`, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  incoming.pipe(outgoing);
}

async function makeCertificate(address: string): Promise<{ key: string; certificate: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-tls-'));
  const [keyFile, file] = [join(folder, 'key'), join(folder, 'crt')];
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    keyFile,
  ];
  const what = ['-subj', '/CN=test-registry', '-addext', `subjectAltName=IP:${address}`];
  try {
    const args = ['req', '-x509', ...key, '-days', '2', ...what, '-out', file];
    await promisify(execFile)('openssl', args, { timeout: 30_000 });
    return { key: await readFile(keyFile, 'utf8'), certificate: await readFile(file, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
