/** An ELF file of 64 bits, little-endian: what it runs on, and what it needs beside it. Source: the ELF gABI. */
export interface ElfFile {
  readonly machine: number;
  /** The dynamic loader. */
  readonly interpreter: string | undefined;
  /** Names of libraries. */
  readonly needed: readonly string[];
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const loadable = 1;
const dynamic = 2;
const interpreter = 3;
const neededTag = 1;
const stringTableTag = 5;

/** undefined for any other file. */
export function readElf(file: Buffer): ElfFile | undefined {
  if (file.length < 64 || file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  const segments = readSegments(file);
  const entries = segments.filter(({ type }) => type === dynamic).flatMap((one) => tags(file, one));
  const table = entries.find(({ tag }) => tag === stringTableTag)?.value ?? 0;
  const strings = offsetOf(table, segments);
  const loader = segments.find(({ type }) => type === interpreter);
  return {
    machine: file.readUInt16LE(18),
    interpreter: loader && stringAt(file, loader.offset),
    needed: entries
      .filter(({ tag }) => tag === neededTag)
      .map(({ value }) => stringAt(file, strings + value)),
  };
}

function readSegments(file: Buffer): Segment[] {
  const start = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  return Array.from({ length: file.readUInt16LE(56) }, (_, number) => {
    const at = start + number * size;
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
}

function tags(file: Buffer, { offset, size }: Segment): { tag: number; value: number }[] {
  return Array.from({ length: size / 16 }, (_, number) => ({
    tag: Number(file.readBigInt64LE(offset + number * 16)),
    value: Number(file.readBigUInt64LE(offset + number * 16 + 8)),
  }));
}

function offsetOf(address: number, segments: readonly Segment[]): number {
  const segment = segments.find(
    (one) => one.type === loadable && one.address <= address && address < one.address + one.size,
  );
  return segment ? segment.offset + address - segment.address : 0;
}

function stringAt(file: Buffer, offset: number): string {
  return file.toString('latin1', offset, file.indexOf(0, offset));
}
