/**
 * Reads a growing log in whole lines. A position in the log is a number of bytes, so whoever comes back with a chunk's
 * `toOffset` gets the next byte next, from any process.
 */
import { open } from 'node:fs/promises';
import type { LogChunk } from './driver.ts';
import { isMissing } from './errors.ts';

const maxChunkBytes = 64 * 1024;

export interface LogFile {
  readonly file: string;
  /** Waits until there may be more. Rejects when the reader is not wanted any longer. */
  readonly changed: () => Promise<void>;
  /** Whether nothing will be added to what is there now. */
  readonly hasEnded: () => Promise<boolean>;
}

/** Yields chunks of at most 64 KiB. A longer line comes in pieces; a last line without its end gets one. */
export async function* followLog(log: LogFile, fromOffset: number): AsyncGenerator<LogChunk> {
  let offset = fromOffset;
  for (;;) {
    await log.changed();
    const last = await log.hasEnded();
    for await (const chunk of readLines(log.file, offset, last)) {
      yield chunk;
      offset = chunk.toOffset;
    }
    if (last) return;
  }
}

/** What is there from `offset` on; the start of a line that is not whole yet stays, unless it is the `last` reading. */
async function* readLines(file: string, offset: number, last: boolean): AsyncGenerator<LogChunk> {
  const handle = await openIfThere(file);
  if (!handle) return;
  try {
    const buffer = Buffer.allocUnsafe(maxChunkBytes);
    for (let position = offset; ;) {
      const bytes = await fill(handle, buffer, position);
      const length = takeLength(bytes, last);
      if (length === 0) return;
      const text = bytes.toString('utf8', 0, length);
      yield {
        fromOffset: position,
        toOffset: position + length,
        text: text.endsWith('\n') ? text : `${text}\n`,
      };
      position += length;
    }
  } finally {
    await handle.close();
  }
}

/** How many bytes make whole lines; of a line that fills the chunk, as many as make whole characters. */
function takeLength(bytes: Buffer, last: boolean): number {
  const lines = bytes.lastIndexOf('\n') + 1;
  if (lines > 0) return lines;
  if (bytes.length < maxChunkBytes) return last ? bytes.length : 0;
  return wholeCharacters(bytes);
}

/** Leaves out a character that starts in the last three bytes and is not whole. Source: RFC 3629, section 3. */
export function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) {
      const characterLength = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return characterLength > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
}

type FileHandle = Awaited<ReturnType<typeof open>>;

async function fill(handle: FileHandle, buffer: Buffer, position: number): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(
      buffer,
      filled,
      buffer.length - filled,
      position + filled,
    );
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
