/** What puts of every kind share: reading a stream that may hang or never end, into a file, with its sha256. */
import { createHash } from 'node:crypto';
import type { open } from 'node:fs/promises';
import { failureOf, type SourceRef } from '@hephy/core';
import type { PutResult } from './source-store.ts';

export type FileHandle = Awaited<ReturnType<typeof open>>;

export interface Reading {
  chunks(): AsyncGenerator<Uint8Array>;
  stop(): void;
}

/** Answers nothing if there are more than `maxBytes`. */
export async function writeSource(
  file: FileHandle,
  reading: Reading,
  { maxBytes }: { maxBytes: number },
): Promise<SourceRef | undefined> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const bytes of inBatches(reading.chunks())) {
    sizeBytes += bytes.length;
    if (sizeBytes > maxBytes) return undefined;
    hash.update(bytes);
    await writeAll(file, bytes);
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

const batchBytes = 1024 ** 2;

/**
 * The same bytes in larger pieces: git hands out little at a time, and each write is a trip to another thread and back.
 * Each piece lies in the same memory as the one before it.
 */
async function* inBatches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const batch = Buffer.allocUnsafeSlow(batchBytes);
  let filled = 0;
  for await (const bytes of chunks) {
    for (let taken = 0; taken < bytes.length;) {
      const part = bytes.subarray(taken, taken + batchBytes - filled);
      batch.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < batchBytes) continue;
      yield batch;
      filled = 0;
    }
  }
  if (filled > 0) yield batch.subarray(0, filled);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

/**
 * Asks for the first chunk before it returns: what a child process wrote is thrown away by Node if nobody reads when the
 * child exits. Ends the wait for a chunk that never comes when the signal aborts.
 */
export function readAtOnce(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): Reading {
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => undefined);
  let endWait: ((reason: unknown) => void) | undefined;
  const onAbort = (): void => endWait?.(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    async *chunks() {
      for (let coming = first; ; coming = iterator.next()) {
        // One promise for each wait: one for all of them would keep every chunk that it has raced with.
        const aborted = Promise.withResolvers<never>();
        endWait = aborted.reject;
        if (signal.aborted) onAbort();
        const next = await Promise.race([aborted.promise, coming]);
        if (next.done) return;
        yield next.value;
      }
    },
    stop() {
      signal.removeEventListener('abort', onAbort);
      // Not awaited: a producer that hangs would hang us, and this is where it is told to stop.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}

export function tooLarge(maxBytes: number): PutResult {
  const detail = `the limit is ${maxBytes} bytes`;
  return { ok: false, failure: failureOf('SourceTooLarge', { detail }) };
}

export function diskFull(detail: string): PutResult {
  return { ok: false, failure: failureOf('DiskFull', { detail }) };
}

const fullCodes: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && fullCodes.has(error.code);
}
