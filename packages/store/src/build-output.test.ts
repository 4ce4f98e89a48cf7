import type { BuildRecords, OutputEntry } from '@hephy/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxPieceBytes, splitText } from './build-output.ts';
import { createBuildRecords } from './build-records.ts';
import { at, makeGround, owner, platformWork, type Ground } from './conformance/ground.ts';
import type { OpenDatabase } from './open-database.ts';
import { recordsOf, usePostgres } from './open-for-test.ts';

const textsOf = (entries: readonly OutputEntry[]): string[] =>
  entries.map((entry) => (entry.kind === 'log' ? entry.text : entry.kind));

describe('splitting a log piece', () => {
  it('leaves a short piece whole and an empty one out', () => {
    expect(splitText('one\ntwo\n', 8)).toEqual(['one\ntwo\n']);
    expect(splitText('', 8)).toEqual([]);
  });

  it('cuts between lines, within the limit, and loses nothing', () => {
    const text = Array.from({ length: 5000 }, (_, index) => `line ${index} ü\n`).join('');
    const parts = splitText(text, 1000);
    expect(parts.join('')).toBe(text);
    expect(parts.every((part) => part.endsWith('\n') && Buffer.byteLength(part) <= 1000)).toBe(
      true,
    );
  });

  it('cuts a line that is longer than a piece into lines, and no character in two', () => {
    const parts = splitText(`${'\u{1F600}'.repeat(1001)}\n`, 500);
    expect(parts.every((part) => part.endsWith('\n') && Buffer.byteLength(part) <= 500)).toBe(true);
    expect(parts.every((part) => part.isWellFormed())).toBe(true);
    expect(parts.join('').replaceAll('\n', '')).toBe('\u{1F600}'.repeat(1001));
  });
});

const postgres = usePostgres();

describe('the log of a build', () => {
  let opened: OpenDatabase;
  let ground: Ground;
  beforeAll(async () => {
    opened = await postgres.openMigrated();
    ground = makeGround(recordsOf(opened));
  });
  afterAll(async () => opened.close());

  const append = async (
    records: BuildRecords,
    texts: readonly string[],
  ): Promise<{ answers: boolean[]; entries: OutputEntry[] }> => {
    const key = await ground.seedRunning(platformWork);
    const answers: boolean[] = [];
    let offset = 0;
    for (const text of texts) {
      const piece = { image: 'web', platform: 'p', fromOffset: offset, toOffset: offset + 9, text };
      offset += 9;
      answers.push(await records.appendLog({ key, owner, piece, at: at(0) }));
    }
    const all = await records.readOutput({ buildId: key.buildId, afterSeq: 1, limit: 100 });
    return { answers, entries: all };
  };
  it('loses NUL, and shows half a character as a replacement', async () => {
    const { entries } = await append(ground.records, ['a\0b\n', '\ud83d!\n', '\0']);
    expect(textsOf(entries)).toEqual(['ab\n', '\ufffd!\n']);
  });

  it('shares that with events and cancel reasons, which quote what tools print', async () => {
    const { id: buildId } = await ground.seed();
    const { records } = ground;
    const event = { type: 'preflight.warning', message: 'a\0b\ud83d' } as const;
    await records.appendEvent({ buildId, event, at: at(0) });
    await records.requestCancel({ buildId, by: 'ada', reason: 'no\0', at: at(0) });
    expect(await ground.events(buildId)).toEqual([
      { ...event, message: 'ab\ufffd' },
      { type: 'cancel.requested', by: 'ada', reason: 'no' },
    ]);
    expect((await ground.read(buildId)).build.cancelRequest?.reason).toBe('no');
  });

  it('is stored in entries of a bounded size', async () => {
    const { entries } = await append(ground.records, ['x'.repeat(99).concat('\n').repeat(2000)]);
    const sizes = textsOf(entries).map((text) => Buffer.byteLength(text));
    expect(sizes.length).toBeGreaterThan(3);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxPieceBytes);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(200_000);
  });

  it('ends with one line that says so when it grows beyond its limit, and goes on being read', async () => {
    const records = createBuildRecords(opened.db, { maxLogBytes: 10 });
    const { answers, entries } = await append(records, ['12345\n', '123\n', 'over\n', 'more\n']);
    expect(answers).toEqual([true, true, true, true]);
    expect(textsOf(entries)).toEqual([
      '12345\n',
      '123\n',
      '[the log of this build is longer than 10 bytes; the rest is not kept]\n',
    ]);
  });
});

describe('the order of output', () => {
  it('never shows a reader a new entry behind one that it has seen', async () => {
    const opened = await postgres.openMigrated();
    const { db } = opened;
    const records = createBuildRecords(db);
    const ground = makeGround(recordsOf(opened));
    const { buildId } = await ground.seedRunning(platformWork);
    let writing = true;
    const seen: number[] = [];
    const reading = (async () => {
      for (;;) {
        const wasWriting = writing;
        const afterSeq = seen.at(-1) ?? 0;
        const page = await records.readOutput({ buildId, afterSeq, limit: 50 });
        seen.push(...page.map(({ seq }) => seq));
        if (page.length === 0 && !wasWriting) return;
      }
    })();
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 25; round += 1) {
        const event = { type: 'preflight.warning', message: `${writer} ${round}` } as const;
        // Some hold their number for a while before it becomes visible.
        await db.transaction().execute(async (tx) => {
          await createBuildRecords(tx).appendEvent({ buildId, event, at: at(round) });
          await tx.selectFrom('builds').select('id').limit(writer).execute();
        });
      }
    });
    await Promise.all(writers);
    writing = false;
    await reading;
    const all = await records.readOutput({ buildId, afterSeq: 0, limit: 1000 });
    expect(seen).toEqual(all.map(({ seq }) => seq));
    expect(seen).toHaveLength(8 * 25 + 1);
    await opened.close();
  });
});
