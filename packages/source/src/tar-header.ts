/**
 * The headers of a tarball as `git archive` writes it: ustar, with pax records for what does not fit. Anything else
 * (hard links, devices, sparse files, GNU's own extensions) is refused. Names are bytes, not always UTF-8; they are
 * kept as latin1 text, a character for each byte.
 * Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header".
 */
import { UnpackError } from './unpack-error.ts';

export const blockBytes = 512;

export interface TarEntry {
  readonly type: 'file' | 'directory' | 'symlink';
  /** As written: it may be anything. */
  readonly name: string;
  /** Of a symlink. */
  readonly target: string;
  readonly executable: boolean;
  readonly modifiedAt: Date;
  readonly sizeBytes: number;
}

export type TarHeader =
  | { readonly kind: 'end' }
  /** Records for the next entry follow, or for all of them. */
  | { readonly kind: 'records'; readonly global: boolean; readonly sizeBytes: number }
  | { readonly kind: 'entry'; readonly entry: TarEntry };

/** What the records say instead of the header that they precede. */
export type PaxRecords = ReadonlyMap<string, string>;

const types: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '2': 'symlink',
  '5': 'directory',
};

export function readHeader(block: Buffer, records: PaxRecords): TarHeader {
  if (isZero(block)) return { kind: 'end' };
  if (sumOf(block) !== octal(block, 148, 8) || block.toString('latin1', 257, 262) !== 'ustar') {
    throw refused('a block that has to be a header is none');
  }
  const flag = block.toString('latin1', 156, 157);
  if (flag === 'x' || flag === 'g') {
    return { kind: 'records', global: flag === 'g', sizeBytes: octal(block, 124, 12) };
  }
  const type = types[flag];
  const name = records.get('path') ?? ustarName(block);
  if (!type) throw refused(`${readable(name)} is neither file, directory nor symbolic link`);
  const size = records.get('size');
  const sizeBytes = size === undefined ? octal(block, 124, 12) : decimal(size);
  if (type !== 'file' && sizeBytes > 0)
    throw refused(`${readable(name)} has bytes, but is no file`);
  const entry = {
    type,
    name,
    target: records.get('linkpath') ?? text(block, 157, 100),
    executable: (octal(block, 100, 8) & 0o111) !== 0,
    modifiedAt: new Date(octal(block, 136, 12) * 1000),
    sizeBytes,
  };
  return { kind: 'entry', entry };
}

/** Each is `<length of all of it> <key>=<value>\n`. */
export function readRecords(bytes: Buffer): PaxRecords {
  const all = bytes.toString('latin1');
  const records = new Map<string, string>();
  for (let start = 0; start < all.length;) {
    const blank = all.indexOf(' ', start);
    const end = start + decimal(all.slice(start, blank));
    const equals = all.indexOf('=', blank);
    if (blank < start || equals < blank || end <= equals || all[end - 1] !== '\n') {
      throw refused('its extended records cannot be read');
    }
    const key = all.slice(blank + 1, equals);
    if (key.startsWith('GNU.sparse.')) throw refused('it has a sparse file');
    records.set(key, all.slice(equals + 1, end - 1));
    start = end;
  }
  return records;
}

/** For people. */
export function readable(name: string): string {
  return Buffer.from(name, 'latin1').toString();
}

export function refused(detail: string): UnpackError {
  return new UnpackError('SourceUnavailable', `the tarball is not one of a commit: ${detail}`);
}

function ustarName(block: Buffer): string {
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Ends at the first NUL, or fills its field. */
function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 ? start + length : Math.min(end, start + length));
}

function octal(block: Buffer, start: number, length: number): number {
  const digits = /^ *([0-7]{1,12})[ \0]*$/.exec(
    block.toString('latin1', start, start + length),
  )?.[1];
  if (digits === undefined) throw refused('a number of a header cannot be read');
  return Number.parseInt(digits, 8);
}

function decimal(digits: string): number {
  if (!/^\d{1,15}$/.test(digits)) throw refused('a number of its extended records cannot be read');
  return Number(digits);
}

/** Of all bytes, with blanks where the sum itself stands. */
function sumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at += 1) {
    if (at < 148 || at >= 156) sum += block[at] ?? 0;
  }
  return sum;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
