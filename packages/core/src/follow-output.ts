import { isTerminal, type BuildRecord } from './build.ts';
import type { OutputEntry } from './output.ts';
import type { BuildRecords } from './record.ts';

export interface FollowOutputInput {
  readonly buildId: string;
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  /** As many entries are held in memory at once; the reader's pace decides when the next are fetched. */
  readonly pageSize?: number;
}

export interface FollowOutputDeps {
  readonly records: Pick<BuildRecords, 'readOutput'> & {
    readBuild(buildId: string): Promise<BuildRecord | undefined>;
  };
  /** Calls back when the build's output may have grown; answers how to end it. */
  readonly subscribe: (buildId: string, callback: () => void) => () => void;
}

/**
 * Every entry of a build's output after `afterSeq`, once and in order, live until the build has ended. Signals only say
 * "look again", so a lost one delays an entry and loses none. Rejects with the signal's reason when that aborts.
 */
export async function* followOutput(
  { buildId, afterSeq, signal, pageSize = 200 }: FollowOutputInput,
  { records, subscribe }: FollowOutputDeps,
): AsyncGenerator<OutputEntry, void, void> {
  const bell = createBell();
  const unsubscribe = subscribe(buildId, bell.ring);
  const onAbort = (): void => bell.ring();
  signal.addEventListener('abort', onAbort);
  try {
    let cursor = afterSeq;
    const record = await records.readBuild(buildId);
    let ended = !record || isTerminal(record.build.state);
    for (;;) {
      signal.throwIfAborted();
      const entries = await records.readOutput({ buildId, afterSeq: cursor, limit: pageSize });
      for (const entry of entries) {
        yield entry;
        cursor = entry.seq;
        ended ||= isEnd(entry);
      }
      if (entries.length === pageSize || (ended && entries.length > 0)) continue;
      if (ended) return;
      await bell.rung();
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
  }
}

function isEnd(entry: OutputEntry): boolean {
  return (
    entry.kind === 'event' && entry.event.type === 'build.state' && isTerminal(entry.event.state)
  );
}

/** Remembers a ring that comes while nobody listens. */
function createBell(): { ring: () => void; rung: () => Promise<void> } {
  let rang = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rang = true;
      wake?.();
    },
    async rung() {
      if (!rang) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      rang = false;
      wake = undefined;
    },
  };
}
