/**
 * Fetches a source with its grant and unpacks it on the way: what a builder's first container does. A transfer that
 * breaks is tried again from the start, by the same fetcher, until `limits` end it; a server that asks to come again is
 * asked again for as long as there is time, since it may have a queue. What was unpacked counts only once
 * all bytes were those of the source.
 */
import type { IncomingMessage } from 'node:http';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { failureOf, type Failure, type SourceRef } from '@hephy/core';
import { checkedStream } from './checked-stream.ts';
import { fetcherHeader } from './source-listener.ts';
import { SourceDamaged } from './source-store.ts';
import { UnpackError, unpackErrorOf } from './unpack-error.ts';
import { unpackTar } from './unpack-tar.ts';

export interface FetchInput {
  /** Of `sourceUrl`; a secret. */
  readonly url: URL;
  readonly source: SourceRef;
  /** Made if it is missing; has to be empty. */
  readonly directory: string;
}

export interface FetchDeps {
  /** A secret of this fetcher, for all its tries. */
  readonly fetcher: string;
  /** 0 to 1. */
  readonly random: () => number;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly limits?: Partial<FetchLimits>;
}

export interface FetchLimits {
  /** Not counted: those to which the server said when to come again. */
  readonly tries: number;
  /** For all tries together. */
  readonly totalMs: number;
  /** For a server that says nothing. */
  readonly idleMs: number;
  /** Before the second try; doubled for each further one, up to `longestWaitMs`, and less by chance. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly maxEntries: number;
}

const defaultLimits: FetchLimits = {
  tries: 20,
  totalMs: 15 * 60_000,
  idleMs: 30_000,
  firstWaitMs: 250,
  longestWaitMs: 10_000,
  maxEntries: 1_000_000,
};

export type FetchResult =
  { readonly ok: true; readonly tries: number } | { readonly ok: false; readonly failure: Failure };

type Try =
  | 'done'
  | { readonly failure: Failure }
  /** `askedMs`: what the server asks us to wait. */
  | { readonly again: string; readonly askedMs?: number };

export async function fetchSource(input: FetchInput, deps: FetchDeps): Promise<FetchResult> {
  const limits = { ...defaultLimits, ...deps.limits };
  const signal = AbortSignal.timeout(limits.totalMs);
  try {
    await mkdir(input.directory, { recursive: true });
    if ((await readdir(input.directory)).length > 0) {
      return unavailable(`${input.directory} is not empty`);
    }
    return await tryUntilDone(input, { ...deps, limits, signal });
  } catch (error) {
    return { ok: false, failure: unpackErrorOf(error).failure };
  }
}

type TryDeps = FetchDeps & { limits: FetchLimits; signal: AbortSignal };

async function tryUntilDone(input: FetchInput, deps: TryDeps): Promise<FetchResult> {
  const { limits, random, signal } = deps;
  let waitMs = limits.firstWaitMs;
  let broken = 0;
  for (let tries = 1; ; tries += 1) {
    const made = await tryOnce(input, deps);
    if (made === 'done') return { ok: true, tries };
    if ('failure' in made) return { ok: false, failure: made.failure };
    const { again, askedMs } = made;
    if (askedMs === undefined) broken += 1;
    if (broken === limits.tries) return unavailable(`${again}, ${broken} times`);
    try {
      await deps.wait(Math.max(waitMs * (0.5 + random() / 2), askedMs ?? 0), signal);
    } catch {
      return unavailable(`${again}; it took longer than ${limits.totalMs / 1000} s`);
    }
    waitMs = Math.min(waitMs * 2, limits.longestWaitMs);
    await empty(input.directory);
  }
}

async function tryOnce(input: FetchInput, { fetcher, limits, signal }: TryDeps): Promise<Try> {
  const { source, directory } = input;
  try {
    const response = await get(input.url, { fetcher, signal, idleMs: limits.idleMs });
    const refusal = refusalOf(response, { source, limits });
    if (refusal) {
      response.destroy();
      return refusal;
    }
    const unpack = unpackTar({ directory, maxEntries: limits.maxEntries });
    await pipeline(response, checkedStream(source), unpack, { signal });
    return 'done';
  } catch (error) {
    if (error instanceof UnpackError) return { failure: error.failure };
    if (error instanceof SourceDamaged) return unavailable(error.message);
    return { again: `the transfer broke: ${wordsOf(error)}` };
  }
}

async function get(
  url: URL,
  options: { fetcher: string; signal: AbortSignal; idleMs: number },
): Promise<IncomingMessage> {
  const { fetcher, signal, idleMs } = options;
  const { request } = await (url.protocol === 'https:'
    ? import('node:https')
    : import('node:http'));
  return new Promise((resolve, reject) => {
    const headers = { [fetcherHeader]: fetcher };
    const asked = request(url, { agent: false, headers, signal, timeout: idleMs });
    asked.once('timeout', () => asked.destroy(new Error(`silent for ${idleMs / 1000} s`)));
    asked.on('error', reject);
    asked.once('response', resolve);
    asked.end();
  });
}

function refusalOf(
  { statusCode, headers }: IncomingMessage,
  { source, limits }: { source: SourceRef; limits: FetchLimits },
): Try | undefined {
  if (statusCode === 200) {
    const length = headers['content-length'];
    if (length === String(source.sizeBytes)) return undefined;
    return unavailable(`the server has ${length ?? 'an unknown number of'} bytes of it`);
  }
  if (statusCode === 404) return unavailable('its grant has expired, or is not for this fetcher');
  const detail = `the server answered ${statusCode}`;
  const seconds = Number(headers['retry-after']);
  if (statusCode === 503 && seconds > 0) {
    return { again: detail, askedMs: Math.min(seconds * 1000, limits.longestWaitMs) };
  }
  return statusCode === 429 || (statusCode ?? 0) >= 500 ? { again: detail } : unavailable(detail);
}

function unavailable(detail: string): { ok: false; failure: Failure } {
  return { ok: false, failure: failureOf('SourceUnavailable', { detail }) };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : 'for an unknown reason';
}

async function empty(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    await rm(path.join(directory, name), { recursive: true, force: true });
  }
}
