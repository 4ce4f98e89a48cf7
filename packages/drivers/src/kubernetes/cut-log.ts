/**
 * Cuts the bytes of a pod's log, each line with its time at the start, into chunks without the times. A line's position is
 * its time in nanoseconds after the base, and always greater than that of the line before: a line of the same nanosecond,
 * or of a clock that was set back, has the next number. So has each further piece of a line longer than 64 KiB. The same
 * lines get the same positions again when they are read again from any moment, which is how a reader who comes back knows
 * where it was.
 */
import type { LogChunk } from '../driver.ts';
import { wholeCharacters } from '../follow-log.ts';
import { StampReader } from './log-stamp.ts';

const maxChunkBytes = 64 * 1024;
const maxPieceBytes = maxChunkBytes - 1;
const maxStampBytes = 64;
const newLine = 10;
/** Holds a chunk while it is cut. One for all logs: each leaves it empty. */
const chunk = Buffer.allocUnsafe(maxChunkBytes);

/** For when the line that was told last is not there any more. */
const gapNotice = Buffer.from(
  '[lines may be missing here: the node began a new log file while its log was out of reach]',
);

export class LogCutter {
  readonly #stamps: StampReader;
  /** What ends here was told before. */
  readonly #told: number;
  #chunks: LogChunk[] = [];
  #chunkBytes = 0;
  #chunkFrom: number;
  #chunkTo: number;
  /** The start of a line whose end is not there yet. */
  #rest = Buffer.alloc(0);
  /** Whether `#rest` goes on with a line, and whether with one that is left out. */
  #line: 'new' | 'begun' | 'leftOut' = 'new';
  #position = 0;
  #hasLines = false;
  /** How far the last line's position is ahead of its time. */
  aheadNanoseconds = 0;
  /** A line without a time: the node's own words, such as an error, or the end of a line that began before `sinceTime`. */
  words: string | undefined;

  constructor({ baseMs, fromOffset }: { baseMs: number; fromOffset: number }) {
    this.#stamps = new StampReader(baseMs);
    this.#told = fromOffset;
    this.#chunkFrom = fromOffset;
    this.#chunkTo = fromOffset;
  }

  /** Whether there was a line of the log in it. */
  get hasLines(): boolean {
    return this.#hasLines;
  }

  /** The whole lines that `bytes` completes. */
  cut(bytes: Buffer): LogChunk[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (let end = all.indexOf(newLine, at); end >= 0; end = all.indexOf(newLine, at)) {
      this.#addLine(all, at, end);
      at = end + 1;
    }
    at = this.#addPieces(all, at);
    this.#rest = Buffer.from(all.subarray(at));
    return this.#take();
  }

  /** What is left when nothing comes any more: a last line without its end. */
  end(): LogChunk[] {
    if (this.#rest.length > 0) this.#addLine(this.#rest, 0, this.#rest.length);
    this.#rest = Buffer.alloc(0);
    return this.#take();
  }

  #addLine(bytes: Buffer, start: number, end: number): void {
    let from = this.#begin(bytes, start, end);
    while (end - from > maxPieceBytes) from = this.#addPiece(bytes, from);
    this.#add(bytes, from, end);
    this.#line = 'new';
  }

  /** Tells of a long line what is there, but for its last piece, and answers where that begins. */
  #addPieces(bytes: Buffer, start: number): number {
    let from = start;
    while (bytes.length - from > maxPieceBytes + maxStampBytes) {
      from = this.#addPiece(bytes, this.#begin(bytes, from, bytes.length));
    }
    return from;
  }

  /** Where the text begins: behind the time, if this is the start of a line. */
  #begin(bytes: Buffer, start: number, end: number): number {
    if (this.#line !== 'new') return start;
    const time = this.#stamps.read(bytes, start, end);
    if (time === undefined) {
      this.#line = 'leftOut';
      this.words = bytes.toString('utf8', start, Math.min(end, start + 300));
      return start;
    }
    this.#line = 'begun';
    this.#position = Math.max(time, this.#position + 1);
    this.aheadNanoseconds = this.#position - time;
    const isGap = !this.#hasLines && this.#told > 0 && this.#position > this.#told;
    if (isGap) this.#add(gapNotice, 0, gapNotice.length);
    this.#hasLines = true;
    return this.#stamps.textStart;
  }

  /** A piece that another follows. */
  #addPiece(bytes: Buffer, from: number): number {
    const to = from + wholeCharacters(bytes.subarray(from, from + maxPieceBytes));
    this.#add(bytes, from, to);
    this.#position += 1;
    return to;
  }

  #add(bytes: Buffer, from: number, to: number): void {
    if (this.#line === 'leftOut' || this.#position <= this.#told) return;
    if (this.#chunkBytes + to - from + 1 > maxChunkBytes) this.#endChunk();
    bytes.copy(chunk, this.#chunkBytes, from, to);
    this.#chunkBytes += to - from;
    chunk[this.#chunkBytes] = newLine;
    this.#chunkBytes += 1;
    this.#chunkTo = this.#position;
  }

  #endChunk(): void {
    if (this.#chunkBytes === 0) return;
    const text = chunk.toString('utf8', 0, this.#chunkBytes);
    this.#chunks.push({ fromOffset: this.#chunkFrom, toOffset: this.#chunkTo, text });
    this.#chunkFrom = this.#chunkTo;
    this.#chunkBytes = 0;
  }

  #take(): LogChunk[] {
    this.#endChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}
