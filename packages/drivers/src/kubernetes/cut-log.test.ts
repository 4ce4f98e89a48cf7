import { array, assert, constantFrom, integer, property, record, string, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import type { LogChunk } from '../driver.ts';
import { LogCutter } from './cut-log.ts';

const baseMs = Date.parse('2026-11-22T09:00:00Z');
const start = BigInt(baseMs) * 1_000_000n;

interface Line {
  /** Nanoseconds after the base. */
  readonly at: number;
  readonly text: string;
}

/** As a kubelet writes it: nine digits of a second, in the node's zone. */
function wire({ at, text }: Line, zone = 'Z'): string {
  const nanoseconds = start + BigInt(at);
  const hours = zone === 'Z' ? 0 : Number(zone.slice(0, 3));
  const local = new Date(Number(nanoseconds / 1_000_000n) + hours * 3_600_000).toISOString();
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, '0');
  return `${local.slice(0, 19)}.${fraction}${zone} ${text}\n`;
}

/** In parts of these lengths, over and over. */
function cutAll(bytes: Buffer, lengths: readonly number[], fromOffset = 0): LogChunk[] {
  const cutter = new LogCutter({ baseMs, fromOffset });
  const chunks: LogChunk[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    chunks.push(...cutter.cut(bytes.subarray(at, at + length)));
    at += length;
  }
  return [...chunks, ...cutter.end()];
}

const positionOf = (stamp: string): number | undefined =>
  cutAll(Buffer.from(`${stamp} x\n`), [100])[0]?.toOffset;
const textOf = (chunks: readonly LogChunk[]): string => chunks.map(({ text }) => text).join('');
const bytesOf = (lines: readonly Line[], zone?: string): Buffer =>
  Buffer.from(lines.map((line) => wire(line, zone)).join(''));

const steps = array(
  tuple(
    constantFrom(0, 0, 1, 5, 1e3, 4e8, 1e9, 7e10, -3),
    string({ unit: constantFrom('a', 'ü', '🙂', ' ', '\r', '\u001b'), maxLength: 40 }),
  ),
  { minLength: 1, maxLength: 60 },
);

function linesOf(given: readonly (readonly [number, string])[]): Line[] {
  let at = 10;
  return given.map(([step, text]) => {
    at += step;
    return { at: Math.max(at, 1), text };
  });
}

test('lines come whole and in order, wherever the wire cuts them, at positions that grow', () => {
  const input = record({
    given: steps,
    lengths: array(integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
    zone: constantFrom('Z', '+02:00', '-09:00'),
  });
  assert(
    property(input, ({ given, lengths, zone }) => {
      const lines = linesOf(given);
      const chunks = cutAll(bytesOf(lines, zone), lengths);
      expect(textOf(chunks)).toBe(lines.map(({ text }) => `${text}\n`).join(''));
      for (const [index, { fromOffset, toOffset }] of chunks.entries()) {
        expect(fromOffset).toBe(chunks[index - 1]?.toOffset ?? 0);
        expect(toOffset).toBeGreaterThan(fromOffset);
      }
    }),
  );
});

test('whoever comes back with a position gets the next line next, none lost and none doubled', () => {
  assert(
    property(steps, integer({ min: 1, max: 300 }), (given, length) => {
      const lines = linesOf(given);
      const all = cutAll(bytesOf(lines), [length]);
      for (const [index, { toOffset }] of all.entries()) {
        const since = (Math.floor(toOffset / 1e9) - 1) * 1e9;
        const again = bytesOf(lines.filter(({ at }) => at >= since));
        const rest = cutAll(again, [70], toOffset);
        expect(textOf([...all.slice(0, index + 1), ...rest])).toBe(textOf(all));
      }
    }),
  );
});

test('a time is a position in nanoseconds, whatever the zone and however many digits it has', () => {
  expect(positionOf('2026-11-22T09:00:01.000000007Z')).toBe(1_000_000_007);
  expect(positionOf('2026-11-22T11:30:00.5+02:00')).toBe(1_800_500_000_000);
  expect(positionOf('2026-11-22T00:01:00-09:00')).toBe(60_000_000_000);
  expect(positionOf('2027-03-06T09:00:00.123456789Z')).toBe(104 * 86_400_000_000_000 + 123_456_789);
});

test('a line longer than 64 KiB comes in pieces, without a character torn apart', () => {
  for (const lead of ['', 'a', 'ab', 'abc']) {
    const text = lead + '€🙂é'.repeat(30_000);
    const bytes = bytesOf([
      { at: 5, text: 'before' },
      { at: 9, text },
      { at: 500, text: 'after' },
    ]);
    const chunks = cutAll(bytes, [bytes.length]);
    expect(textOf(chunks).replaceAll('\n', '')).toBe(`before${text}after`);
    expect(chunks.every((chunk) => Buffer.byteLength(chunk.text) <= 65_536)).toBe(true);
    // What is on the wire decides when a piece is told, not where it ends.
    expect(textOf(cutAll(bytes, [16_384, 1]))).toBe(textOf(chunks));
    for (const [index, { toOffset }] of chunks.entries()) {
      const rest = cutAll(bytes, [4096], toOffset);
      expect(textOf([...chunks.slice(0, index + 1), ...rest])).toBe(textOf(chunks));
    }
  }
});

test('a line without an end takes no more memory than a piece', () => {
  const cutter = new LogCutter({ baseMs, fromOffset: 0 });
  const part = Buffer.alloc(16_384, 'x');
  let told = cutter.cut(Buffer.from(wire({ at: 1, text: '' }).trimEnd() + ' ')).length;
  for (let parts = 0; parts < 1000; parts += 1) {
    for (const { text } of cutter.cut(part)) told += text.length;
  }
  expect(told).toBeGreaterThan(1000 * 16_384 - 2 * 65_536);
});

test('a clock that was set back loses no line', () => {
  const lines = [9e12, 9e12 + 5, 3e9, 4e9, 9e12 + 6].map((at, index) => ({ at, text: `${index}` }));
  const chunks = cutAll(bytesOf(lines), [30]);
  expect(textOf(chunks)).toBe('0\n1\n2\n3\n4\n');
  const cutter = new LogCutter({ baseMs, fromOffset: 0 });
  cutter.cut(bytesOf(lines.slice(0, 3)));
  expect(cutter.aheadNanoseconds).toBeGreaterThan(8e12);
});

test('what has no time is no line of the log: the end of one that began before, or words of the node', () => {
  const lines = [{ at: 5, text: 'one' }];
  const long = 'y'.repeat(200_000);
  const bytes = Buffer.concat([Buffer.from(`${long}\n2026-11-22 odd\n`), bytesOf(lines)]);
  expect(textOf(cutAll(bytes, [10_000]))).toBe('one\n');
  const cutter = new LogCutter({ baseMs, fromOffset: 0 });
  cutter.cut(Buffer.from('unable to retrieve container logs for containerd://1\n'));
  expect(cutter.hasLines).toBe(false);
  expect(cutter.words).toBe('unable to retrieve container logs for containerd://1');
});

test('where the last line is not there any more, the log says so', () => {
  const lines = [
    { at: 5e9, text: 'later' },
    { at: 6e9, text: 'last' },
  ];
  const notice =
    '[lines may be missing here: the node began a new log file while its log was out of reach]\n';
  expect(textOf(cutAll(bytesOf(lines), [999], 4e9))).toBe(`${notice}later\nlast\n`);
  expect(textOf(cutAll(bytesOf(lines), [999], 5e9))).toBe('last\n');
});

test('a last line without its end is told at the end', () => {
  const bytes = bytesOf([
    { at: 5, text: 'one' },
    { at: 6, text: 'tw' },
  ]).subarray(0, -1);
  expect(cutAll(bytes, [7]).at(-1)).toEqual({ fromOffset: 5, toOffset: 6, text: 'tw\n' });
  const stampAlone = Buffer.from('2026-11-22T09:00');
  expect(cutAll(stampAlone, [7])).toEqual([]);
});
