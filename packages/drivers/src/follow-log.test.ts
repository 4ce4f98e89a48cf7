import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogChunk } from './driver.ts';
import { followLog } from './follow-log.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'hephy-log-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a line that is not whole waits for its end', async () => {
  const steps = [() => append('one\ntw'), () => append('o\n'), () => append('three')];
  const chunks = await follow('waits', steps);
  expect(chunks.map(({ text }) => text)).toEqual(['one\n', 'two\n', 'three\n']);
  expect(chunks.at(-1)?.toOffset).toBe(Buffer.byteLength('one\ntwo\nthree'));
});

test('a line longer than 64 KiB comes in pieces without a character torn apart', async () => {
  for (const lead of ['', 'a', 'ab', 'abc']) {
    const line = lead + '€🙂é'.repeat(20_000);
    const chunks = await follow(`long${lead}`, [() => append(`${line}\n`)]);
    expect(chunks.length).toBeGreaterThan(2);
    expect(chunks.every(({ fromOffset, toOffset }) => toOffset - fromOffset <= 65_536)).toBe(true);
    expect(chunks.map(({ text }) => text.slice(0, -1)).join('')).toBe(line);
  }
});

test('every chunk ends a line, starts where the last one ended, and can be resumed from', async () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `line ${index} ü\n`).join('');
  const all = await follow('resumed', [() => append(lines)]);
  expect(all.map(({ text }) => text).join('')).toBe(lines);
  for (const [index, chunk] of all.entries()) {
    expect(chunk.fromOffset).toBe(all[index - 1]?.toOffset ?? 0);
    const rest = await follow('resumed', [], chunk.toOffset);
    expect([...all.slice(0, index + 1), ...rest].map(({ text }) => text).join('')).toBe(lines);
  }
});

test('bytes that are no UTF-8 do not stop the log', async () => {
  const chunks = await follow('binary', [() => append(Buffer.from([0xff, 0xfe, 0x80, 10]))]);
  expect(chunks).toEqual([{ fromOffset: 0, toOffset: 4, text: '\ufffd\ufffd\ufffd\n' }]);
});

let file: string;
const append = (bytes: string | Buffer): Promise<void> => appendFile(file, bytes);

/** Follows a log that grows by one step between two readings. */
async function follow(
  name: string,
  steps: readonly (() => Promise<void>)[],
  fromOffset = 0,
): Promise<LogChunk[]> {
  file = path.join(folder, name);
  if (fromOffset === 0) await writeFile(file, '');
  const left = [...steps];
  const log = {
    file,
    changed: async () => left.shift()?.(),
    hasEnded: async () => left.length === 0,
  };
  const chunks: LogChunk[] = [];
  for await (const chunk of followLog(log, fromOffset)) chunks.push(chunk);
  return chunks;
}
