import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { runGitService } from './git-service.ts';
import { cutWhenIdle, setGitHeaders } from './http-responses.ts';
import { refuse } from './http-exchange.ts';
import type { Admitted, GitExchange } from './http-exchange.ts';
import { encodePktLine } from './pkt-line.ts';

/** A clone or a fetch. Its request (wants and haves) is small, and read before git is started. */
export async function serveUpload<Context>(
  exchange: GitExchange<Context>,
  { appId, deployRefs, maxInputBytes }: Admitted<Context>,
): Promise<void> {
  const { response, repositories, limits, log } = exchange;
  const body = await readBody(exchange);
  if (!body.ok) return refuse(exchange, body);
  const repositoryPath = await repositories.ensure(appId, { deployRefs, maxInputBytes });
  if (response.destroyed) return;
  setGitHeaders(response, 'application/x-git-upload-pack-result');
  const failure = encodePktLine('ERR the repository cannot be read; try again later');
  runGitService({
    service: 'upload-pack',
    repositoryPath,
    environment: repositories.environment,
    request: replay(body.bytes),
    response,
    limits,
    log,
    silentFailure: () => failure,
    brokenOff: () => Buffer.alloc(0),
    onClientGone: () => undefined,
    onExit: async ({ exitCode, stderr }) => {
      if (exitCode !== 0) log.warn({ appId, exitCode, stderr }, 'git upload-pack failed');
    },
  });
}

export async function refuseUpload<Context>(
  exchange: GitExchange<Context>,
  error: string,
): Promise<void> {
  const body = await readBody(exchange);
  if (!body.ok) return refuse(exchange, body);
  setGitHeaders(exchange.response, 'application/x-git-upload-pack-result');
  exchange.response.end(encodePktLine(`ERR ${error}`));
}

type Body = { ok: true; bytes: Buffer } | { ok: false; status: 400 | 413; message: string };

/** Unpacked here: node-git-server's gunzip has no bound, and ends the process on a bad byte. */
async function readBody<Context>({ request, limits }: GitExchange<Context>): Promise<Body> {
  cutWhenIdle(request, limits.uploadIdleMs);
  const isPacked = (request.headers['content-encoding'] ?? 'identity') !== 'identity';
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of isPacked ? unpack(request) : keepOpen(request)) {
      bytes += (chunk as Buffer).length;
      if (bytes > limits.fetchRequestBytes) {
        return { ok: false, status: 413, message: 'this fetch asks for too much at once' };
      }
      chunks.push(chunk as Buffer);
    }
  } catch {
    return { ok: false, status: 400, message: 'the body of this request cannot be unpacked' };
  }
  return { ok: true, bytes: Buffer.concat(chunks) };
}

function unpack(request: IncomingMessage): Readable {
  const gunzip = createGunzip();
  request.pipe(gunzip);
  request.once('close', () => {
    if (!request.readableEnded) gunzip.destroy();
  });
  return gunzip;
}

function keepOpen(request: IncomingMessage): AsyncIterable<unknown> {
  return request.iterator({ destroyOnReturn: false });
}

/** The same request again, with these bytes as its body: a request is what node-git-server takes. */
function replay(bytes: Buffer): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.complete = true;
  request.push(bytes);
  request.push(null);
  return request;
}
