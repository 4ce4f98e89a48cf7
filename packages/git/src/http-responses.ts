import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers with a line of text, which git shows as `remote: …` when it asked for the advertisement. */
export function sendText(
  response: ServerResponse,
  answer: { status: number; message: string; headers?: Record<string, string> },
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(answer.status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-cache',
    ...(answer.status === 401 ? { 'www-authenticate': 'Basic realm="git", charset="UTF-8"' } : {}),
    ...answer.headers,
  });
  response.end(`${answer.message}\n`);
}

/** The headers of git's own answers (gitprotocol-http): never cached. */
export function setGitHeaders(response: ServerResponse, contentType: string): void {
  response.setHeader('content-type', contentType);
  response.setHeader('expires', 'Fri, 01 Jan 1980 00:00:00 GMT');
  response.setHeader('pragma', 'no-cache');
  response.setHeader('cache-control', 'no-cache, max-age=0, must-revalidate');
}

/** Cuts the connection when the rest of a body that something reads stays silent for too long. */
export function cutWhenIdle(request: IncomingMessage, idleMs: number): void {
  const timer = setTimeout(() => request.socket.destroy(), idleMs);
  request.on('data', () => timer.refresh());
  request.once('end', () => clearTimeout(timer));
  request.once('close', () => clearTimeout(timer));
}

/**
 * Reads the rest of a refused request and throws it away, up to `maxBytes`: a client that still sends
 * does not read why it was refused.
 */
export function drain(
  request: IncomingMessage,
  { maxBytes, idleMs }: { maxBytes: number; idleMs: number },
): void {
  if (request.readableEnded || request.destroyed) return;
  let left = maxBytes;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.socket.destroy();
  });
  cutWhenIdle(request, idleMs);
  request.resume();
}
