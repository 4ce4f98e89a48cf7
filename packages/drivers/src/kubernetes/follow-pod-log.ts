/**
 * Follows the log of a pod's container through the API server, from any position in it (`cut-log.ts`), until the container
 * has ended and its log was read to the end. A stream that ends says nothing about the log: the server ends it too when it
 * stops, or loses the node. So it goes on from the last position, and the last reading begins after the container's end.
 * A node keeps of a rotated log only its newest file for who asks anew, so a stream that still gives lines is read on.
 *
 *   waiting ─▶ running: read on, follow ─▶ ended: read once more to the end ─▶ done
 *                 └─ (cut, refused: wait) ─┘       └─ (cut, refused: wait, a few times) ─▶ say so, done
 */
import type { LogChunk } from '../driver.ts';
import { LogCutter } from './cut-log.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import { backoffMs } from './kube-retry.ts';

/** `gone`: the pod is not there any more, and its log neither. */
export type LogState = 'waiting' | 'running' | 'ended' | 'gone';

export interface PodLog {
  readonly client: KubeClient;
  readonly podName: string;
  readonly container: string;
  /** RFC 3339: of the KubeJob's creation. Positions are counted from here, so it must stay the same. */
  readonly baseTime: string;
  /** 0, or the `toOffset` of a chunk. */
  readonly fromOffset: number;
  /** Of the container, as it is known at that moment. */
  readonly state: () => LogState;
  /** Resolves at the next change after the call that `state` may be part of. */
  readonly changed: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

/** By how much a node's clock may be behind the API server's, so that no position is below 0. */
const clockMarginMs = 24 * 3_600_000;
/** Lines come again from before the last one: its time is known to the second, and clocks are set back a little. */
const repeatedMs = 1_000;
/** After a stream has ended well the container most often has, too, and the watch is about to tell. */
const endNewsMs = 2_000;
/** A stream without a byte for so long, and with a reader who waits for one, has told what the node had. */
const toldMs = 50;
const silenceMs = 30_000;
const retries = { firstWaitMs: 200, longestWaitMs: 10_000 };
/** Of the last reading, one after the other. A kubelet that has just started knows no pods for some seconds. */
const lastAttempts = 8;

interface Place {
  offset: number;
  aheadNanoseconds: number;
}

/** Which part of the stream the reader waits for; undefined while it works on one. */
interface Reader {
  waitsFor: number | undefined;
}

/** The container's output in chunks of at most 64 KiB. Rejects with the signal's reason when that aborts. */
export async function* followPodLog(log: PodLog): AsyncGenerator<LogChunk> {
  const place = { offset: log.fromOffset, aheadNanoseconds: 0 };
  for (let failures = 0; ;) {
    await until(log, (state) => state !== 'waiting');
    const state = log.state();
    if (state === 'gone') return;
    const { offset } = place;
    let failure: unknown;
    try {
      yield* readLog(log, place, { follow: state === 'running' });
      if (state === 'ended') return;
    } catch (error) {
      log.signal.throwIfAborted();
      failure = error;
    }
    failures = place.offset > offset ? 0 : failures + 1;
    if (state === 'ended' && failure !== undefined) {
      // The container never started.
      if (isStatus(failure, 400)) return;
      if (failures >= lastAttempts) {
        yield noticeOf(place.offset, failure);
        return;
      }
    }
    await until(log, (now) => now !== state, waitMs(log, { failures, failure }));
  }
}

/** Reads on from `place`, and moves it; following, until the stream ends, or the container. */
async function* readLog(
  log: PodLog,
  place: Place,
  { follow }: { follow: boolean },
): AsyncGenerator<LogChunk> {
  const baseMs = Date.parse(log.baseTime) - clockMarginMs;
  const cutter = new LogCutter({ baseMs, fromOffset: place.offset });
  const cut = new AbortController();
  const signal = AbortSignal.any([log.signal, cut.signal]);
  const reader: Reader = { waitsFor: 0 };
  if (follow) void cutOnceTold({ ...log, signal }, { cut, reader });
  try {
    const query = { container: log.container, timestamps: 'true', ...sinceTime(baseMs, place) };
    const bytes = await log.client.stream(log.client.path('pods', log.podName, 'log'), {
      query: follow ? { ...query, follow: 'true' } : query,
      signal,
      ...(!follow && { silenceMs }),
    });
    let parts = 0;
    for await (const part of bytes) {
      reader.waitsFor = undefined;
      yield* moving(place, cutter.cut(part));
      reader.waitsFor = ++parts;
    }
    if (!follow) yield* moving(place, cutter.end());
  } catch (error) {
    if (log.signal.aborted || !cut.signal.aborted) throw error;
  } finally {
    cut.abort();
    if (cutter.hasLines) place.aheadNanoseconds = cutter.aheadNanoseconds;
  }
  if (!cutter.hasLines && cutter.words !== undefined) throw wordsInstead(cutter.words);
}

function* moving(place: Place, chunks: readonly LogChunk[]): Generator<LogChunk> {
  for (const chunk of chunks) {
    yield chunk;
    place.offset = chunk.toOffset;
  }
}

/** After a clock was set back by more than what is repeated, times don't tell where to begin: all comes again. */
function sinceTime(baseMs: number, { offset, aheadNanoseconds }: Place): { sinceTime?: string } {
  if (offset === 0 || aheadNanoseconds > repeatedMs * 1e6) return {};
  const since = new Date(baseMs + Math.floor(offset / 1e9) * 1000 - repeatedMs);
  return { sinceTime: since.toISOString().replace(/\.\d+Z$/, 'Z') };
}

/** The node looks once a second whether to end the stream, or never, if it is lost; the last reading needs no such look. */
async function cutOnceTold(
  log: PodLog,
  { cut, reader }: { cut: AbortController; reader: Reader },
): Promise<void> {
  try {
    await until(log, (state) => state === 'ended' || state === 'gone');
    let before: number | undefined;
    do {
      before = reader.waitsFor;
      await log.client.timing.wait(toldMs, log.signal);
    } while (before === undefined || before !== reader.waitsFor);
    cut.abort();
  } catch {
    // The stream has ended, or the reader has.
  }
}

function waitMs(
  { client }: PodLog,
  { failures, failure }: { failures: number; failure: unknown },
): number {
  const backoff = backoffMs(Math.max(failures, 1), retries, client.timing.random());
  return failure === undefined ? Math.max(endNewsMs, backoff) : backoff;
}

/** Resolves once `test` holds of the state, or after `withinMs`. */
async function until(
  log: PodLog,
  test: (state: LogState) => boolean,
  withinMs?: number,
): Promise<void> {
  if (test(log.state())) return;
  const over = new AbortController();
  const signal = AbortSignal.any([log.signal, over.signal]);
  const changes = async (): Promise<void> => {
    while (!test(log.state())) await log.changed(signal);
  };
  const ways = [changes()];
  if (withinMs !== undefined) ways.push(log.client.timing.wait(withinMs, signal));
  try {
    await Promise.race(ways);
  } catch (error) {
    log.signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
  }
}

function isStatus(failure: unknown, status: number): boolean {
  return failure instanceof KubeFailure && failure.status === status;
}

function wordsInstead(words: string): KubeFailure {
  return new KubeFailure(`the node answered no log but: ${words}`, {
    reason: 'NodeAnswered',
    temporary: true,
  });
}

function noticeOf(offset: number, failure: unknown): LogChunk {
  const reason = failure instanceof Error ? failure.message : String(failure);
  const text = `[the rest of the log could not be read: ${reason}]\n`;
  return { fromOffset: offset, toOffset: offset + 1, text };
}
