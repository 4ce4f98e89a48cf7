import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import type { GuardedTarget } from './url-guard.ts';

export interface PostAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
}

/** The most of an answer's body that is read; none of it is kept. */
const bodyLimitBytes = 4096;

/**
 * Posts JSON to the very addresses that were judged, on a connection of its own, and follows no redirect. Throws what
 * the socket or the signal says, until the status is there; from then on the status is the answer.
 */
export async function postOnce(input: {
  target: GuardedTarget;
  headers: Readonly<Record<string, string>>;
  body: string;
  signal: AbortSignal;
}): Promise<PostAnswer> {
  const { target, body, signal } = input;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { request } = target.url.protocol === 'https:' ? https : http;
  const outgoing = request(target.url, {
    method: 'POST',
    agent: false,
    lookup: pinnedLookup(target),
    signal,
    headers: {
      ...input.headers,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'hephy-builder',
    },
  });
  outgoing.on('response', resolve).on('error', reject).end(body);
  const answer = await promise;
  await dropBody(answer);
  outgoing.destroy();
  const { location, 'retry-after': retryAfter } = answer.headers;
  return { status: answer.statusCode ?? 0, location, retryAfter };
}

function pinnedLookup({ addresses }: GuardedTarget): LookupFunction {
  return (_hostname, { all }, done) => {
    const [first] = addresses;
    if (all) done(null, [...addresses]);
    else done(null, first?.address ?? '', first?.family);
  };
}

/** Reads what a receiver says on top, as far as the bound, so that a small answer is not cut off; fails never. */
async function dropBody(answer: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let sizeBytes = 0;
  answer.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length;
    if (sizeBytes > bodyLimitBytes) resolve();
  });
  // An end, a reset and the signal all close it. The status has been read: an error says nothing about the delivery.
  answer.on('error', () => resolve()).on('close', resolve);
  await promise;
}
