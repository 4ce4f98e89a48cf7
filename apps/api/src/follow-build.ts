/**
 * What a build says from a position on, until it has ended or for as long as it has spoken yet, with a word in each
 * silence. One page is held at a time, and nothing is read ahead of who takes the entries.
 */
import {
  followOutput,
  isTerminal,
  type BuildRecord,
  type BuildRecords,
  type OutputEntry,
} from '@hephy/core';

export type Followed =
  | { readonly kind: 'entry'; readonly entry: OutputEntry }
  /** Nothing was said for a while. */
  | { readonly kind: 'quiet' }
  /** The last one: the build has ended, and all it said came before. */
  | { readonly kind: 'end'; readonly record: BuildRecord; readonly lastSeq: number };

export interface FollowDeps {
  readonly records: Pick<BuildRecords, 'readBuild' | 'readOutput'>;
  readonly signals: { subscribe(buildId: string, callback: () => void): () => void };
  /** The length of a silence; also how long an entry may be late whose signal was lost. */
  readonly quietMs: number;
}

export interface FollowInput {
  readonly buildId: string;
  readonly afterSeq: number;
  readonly ending: AbortSignal;
}

/** An entry is 64 KiB at most, so a page is 2 MiB at most. */
const pageSize = 32;

export async function* followToEnd(input: FollowInput, deps: FollowDeps): AsyncGenerator<Followed> {
  const { buildId, ending: signal } = input;
  let lastSeq = input.afterSeq;
  for (;;) {
    const entries = followOutput(
      { buildId, afterSeq: lastSeq, signal, pageSize },
      { records: deps.records, subscribe: (id, callback) => subscribe(id, callback, deps) },
    );
    for await (const item of withSilences(entries, deps.quietMs)) {
      if (item !== silence) lastSeq = item.seq;
      yield item === silence ? { kind: 'quiet' } : { kind: 'entry', entry: item };
    }
    const record = await deps.records.readBuild(buildId);
    if (!record) return;
    if (isTerminal(record.build.state)) return yield { kind: 'end', record, lastSeq };
    // It had ended once, and delivers its release again.
  }
}

export async function* readSoFar(
  { buildId, afterSeq }: FollowInput,
  { records }: FollowDeps,
): AsyncGenerator<Followed> {
  // Before its output: what a build that has ended by now says is complete.
  const record = await records.readBuild(buildId);
  let lastSeq = afterSeq;
  for (;;) {
    const page = await records.readOutput({ buildId, afterSeq: lastSeq, limit: pageSize });
    for (const entry of page) yield { kind: 'entry', entry };
    lastSeq = page.at(-1)?.seq ?? lastSeq;
    if (page.length < pageSize) break;
  }
  if (record && isTerminal(record.build.state)) yield { kind: 'end', record, lastSeq };
}

/** Whoever died between the record and its signal must not leave a follower waiting. */
function subscribe(buildId: string, callback: () => void, deps: FollowDeps): () => void {
  const unsubscribe = deps.signals.subscribe(buildId, callback);
  const timer = setInterval(callback, deps.quietMs);
  return () => {
    clearInterval(timer);
    unsubscribe();
  };
}

const silence = Symbol('silence');

async function* withSilences<T>(
  source: AsyncGenerator<T>,
  everyMs: number,
): AsyncGenerator<T | typeof silence> {
  let next = source.next();
  try {
    for (;;) {
      const result = await orSilence(next, everyMs);
      if (result === silence) {
        yield silence;
        continue;
      }
      if (result.done) return;
      yield result.value;
      next = source.next();
    }
  } finally {
    await Promise.allSettled([next, source.return(undefined)]);
  }
}

async function orSilence<T>(next: Promise<T>, everyMs: number): Promise<T | typeof silence> {
  const { promise: silent, resolve } = Promise.withResolvers<typeof silence>();
  const timer = setTimeout(() => resolve(silence), everyMs);
  return Promise.race([next, silent]).finally(() => clearTimeout(timer));
}
