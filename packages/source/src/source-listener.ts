/**
 * `GET /v1/sources/<token>` with the header `hephy-fetcher`, a secret that the fetcher makes up: the tarball, to whoever
 * owns the grant. 404 tells nobody whether a grant is unknown, expired, somebody else's, or for a source that is gone.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { SourceRef } from '@hephy/core';
import { SourceAway, SourceDamaged, type SourceStore } from './source-store.ts';

export interface SourceListenerDeps {
  redeem(grant: { token: string; fetcher: string }): Promise<SourceRef | undefined>;
  readonly sources: Pick<SourceStore, 'open'>;
  /** Hears what is wrong with us: the record, or a source that has to be there. Never of a token. */
  readonly onError: (error: unknown) => void;
  readonly limits?: Partial<SourceListenerLimits>;
}

export interface SourceListenerLimits {
  /** At once; who comes beyond them is asked to come again. */
  readonly transfers: number;
  /** For a reader that takes nothing. */
  readonly idleMs: number;
  /** For a reader that takes little: the time that every transfer has, and what it has to carry beyond that. */
  readonly transferMs: number;
  readonly bytesPerMs: number;
}

const defaultLimits: SourceListenerLimits = {
  transfers: 64,
  idleMs: 30_000,
  transferMs: 60_000,
  bytesPerMs: 1024,
};

const pathPrefix = '/v1/sources/';
const secret = /^[\w-]{20,100}$/;

export const fetcherHeader = 'hephy-fetcher';

/** Where a grant's source is fetched. Whoever has it may fetch: it is a secret. */
export function sourceUrl(base: string, token: string): string {
  return new URL(pathPrefix + token, base).href;
}

/** Answers false where the request is for something else. */
export function createSourceListener(
  deps: SourceListenerDeps,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const limits = { ...defaultLimits, ...deps.limits };
  let running = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const grant = grantOf(request);
    if (!grant) return refuse(response, 404);
    if (running >= limits.transfers) return refuse(response, 503);
    running += 1;
    try {
      const source = await deps.redeem(grant);
      if (source) await send(source, response, { ...deps, limits });
      else refuse(response, 404);
    } finally {
      running -= 1;
    }
  };
  return (request, response) => {
    if (!request.url?.startsWith(pathPrefix)) return false;
    answer(request, response).catch((error: unknown) => {
      deps.onError(error);
      if (response.headersSent) response.destroy();
      else refuse(response, isGone(error) ? 404 : 503);
    });
    return true;
  };
}

function isGone(error: unknown): boolean {
  return error instanceof SourceDamaged && !(error instanceof SourceAway);
}

function grantOf({
  method,
  url,
  headers,
}: IncomingMessage): { token: string; fetcher: string } | undefined {
  const token = url?.slice(pathPrefix.length) ?? '';
  const fetcher = headers[fetcherHeader];
  if (method !== 'GET' || typeof fetcher !== 'string') return undefined;
  return secret.test(token) && secret.test(fetcher) ? { token, fetcher } : undefined;
}

function refuse(response: ServerResponse, status: 404 | 503): void {
  response.writeHead(status, {
    'content-length': 0,
    ...(status === 503 && { 'retry-after': '1' }),
  });
  response.end();
}

/** Rejects for what is wrong with us, before or in the middle; a reader that goes, or is too slow, is its own affair. */
async function send(
  source: SourceRef,
  response: ServerResponse,
  { sources, limits }: { sources: Pick<SourceStore, 'open'>; limits: SourceListenerLimits },
): Promise<void> {
  const bytes = sources.open(source);
  try {
    const timeoutMs = limits.transferMs + source.sizeBytes / limits.bytesPerMs;
    const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
    await once(bytes, 'readable', { signal });
    response.setTimeout(limits.idleMs, () => response.destroy());
    response.writeHead(200, {
      'content-type': 'application/x-tar',
      'content-length': source.sizeBytes,
      'cache-control': 'no-store',
    });
    await pipeline(bytes, response, { signal });
  } catch (error) {
    if (error instanceof SourceDamaged || !response.headersSent) throw error;
  } finally {
    bytes.destroy();
  }
}
