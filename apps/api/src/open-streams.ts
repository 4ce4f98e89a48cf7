/** The answers that are still being written. A server that stops ends them; a client that leaves ends its own. */
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

export interface OpenStreams {
  /** The text is made only as fast as the client takes it. `ending` aborts when the client leaves or the server stops. */
  open(make: (ending: AbortSignal) => AsyncGenerator<string>): Readable;
  /** Lets each stream finish the entry that it is at; cuts what slow clients leave open after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export function createOpenStreams(): OpenStreams {
  const streams = new Map<Readable, AbortController>();
  return {
    open(make) {
      const ending = new AbortController();
      const stream = readableOf(make(ending.signal), ending);
      streams.set(stream, ending);
      stream.once('close', () => streams.delete(stream));
      return stream;
    },
    async close(graceMs) {
      const open = [...streams];
      for (const [, ending] of open) ending.abort();
      const cut = setTimeout(() => open.forEach(([stream]) => stream.destroy()), graceMs);
      // How each one ends is its own client's matter.
      await Promise.allSettled(open.map(([stream]) => finished(stream)));
      clearTimeout(cut);
    },
  };
}

/** `Readable.from` would end a source that waits for its next item only once that item has come. */
function readableOf(source: AsyncGenerator<string>, ending: AbortController): Readable {
  return new Readable({
    read() {
      void pushNext(this, { source, ending });
    },
    destroy(error, callback) {
      ending.abort();
      void letGo(source);
      callback(error);
    },
  });
}

/** Of what the source holds; how that ends is of no interest to a stream that is gone. */
async function letGo(source: AsyncGenerator<string>): Promise<void> {
  await Promise.allSettled([source.return(undefined)]);
}

async function pushNext(
  stream: Readable,
  { source, ending }: { source: AsyncGenerator<string>; ending: AbortController },
): Promise<void> {
  try {
    const { done, value } = await source.next();
    stream.push(done ? null : value);
  } catch (error) {
    if (ending.signal.aborted) stream.push(null);
    else stream.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
