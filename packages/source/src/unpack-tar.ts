import { Writable } from 'node:stream';
import {
  blockBytes,
  readHeader,
  readRecords,
  refused,
  type PaxRecords,
  type TarHeader,
} from './tar-header.ts';
import { unpackErrorOf } from './unpack-error.ts';
import { createTreeWriter, type OpenFile, type TreeWriter } from './write-tree.ts';

export interface UnpackOptions {
  /** Empty, and nobody else's meanwhile. */
  readonly directory: string;
  readonly maxEntries: number;
}

const maxRecordsBytes = 64 * 1024;
const noRecords: PaxRecords = new Map();

/**
 * Unpacks the tarball that is written to it; fails with an `UnpackError`. Modes are 0644 and 0755, less the umask; owners
 * are who unpacks. It blocks the process for each chunk: it is for a program that does nothing else.
 */
export function unpackTar(options: UnpackOptions): Writable {
  const reader = new TarReader(createTreeWriter(options));
  return new Writable({
    highWaterMark: 1024 ** 2,
    write: (chunk: Buffer, _encoding, done) => attempt(() => reader.read(chunk), done),
    final: (done) => attempt(() => reader.finish(), done),
    destroy(error, done) {
      reader.close();
      done(error);
    },
  });
}

function attempt(step: () => void, done: (error?: Error) => void): void {
  try {
    step();
  } catch (error) {
    done(unpackErrorOf(error));
    return;
  }
  done();
}

/** What the bytes at hand belong to, and how many of them are to come. */
interface Part {
  readonly kind: 'header' | 'records' | 'file' | 'skipped' | 'rest';
  left: number;
}

/** Reads a tarball piece by piece, and has each of its entries made. */
export class TarReader {
  readonly #tree: TreeWriter;
  #part: Part = { kind: 'header', left: blockBytes };
  /** Of a header or of records, until they are whole. */
  #pieces: Buffer[] = [];
  #records = noRecords;
  #file: OpenFile | undefined;
  #padding = 0;

  constructor(tree: TreeWriter) {
    this.#tree = tree;
  }

  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const bytes = chunk.subarray(at, at + this.#part.left);
      at += bytes.length;
      this.#part.left -= bytes.length;
      this.#use(bytes);
      while (this.#part.left === 0) this.#part = this.#next();
    }
  }

  finish(): void {
    if (this.#part.kind !== 'rest') throw refused('it ends early');
    this.#tree.finish();
  }

  close(): void {
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }

  #use(bytes: Buffer): void {
    const { kind } = this.#part;
    if (kind === 'file') this.#file?.write(bytes);
    else if (kind === 'header' || kind === 'records') this.#pieces.push(bytes);
  }

  /** The part that follows one whose bytes have all been read. */
  #next(): Part {
    if (this.#part.kind === 'header')
      return this.#afterHeader(readHeader(this.#take(), this.#records));
    if (this.#part.kind === 'records') this.#records = readRecords(this.#take());
    this.close();
    const left = this.#padding;
    this.#padding = 0;
    return left > 0 ? { kind: 'skipped', left } : { kind: 'header', left: blockBytes };
  }

  #afterHeader(header: TarHeader): Part {
    if (header.kind === 'end') return { kind: 'rest', left: Number.POSITIVE_INFINITY };
    if (header.kind === 'records') {
      if (header.global) return this.#begin('skipped', header.sizeBytes);
      if (header.sizeBytes > maxRecordsBytes) throw refused('its extended records are too long');
      return this.#begin('records', header.sizeBytes);
    }
    this.#records = noRecords;
    this.#file = this.#tree.make(header.entry);
    return this.#begin('file', header.entry.sizeBytes);
  }

  /** A part of so many bytes, and up to the next block. */
  #begin(kind: Part['kind'], sizeBytes: number): Part {
    this.#padding = (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
    return { kind, left: sizeBytes };
  }

  #take(): Buffer {
    const [only, ...more] = this.#pieces;
    const bytes = only && more.length === 0 ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return bytes;
  }
}
