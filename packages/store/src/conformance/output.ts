import type { LogPiece, OutputEntry } from '@hephy/core';
import { describe, expect, it } from 'vitest';
import { arm64, at, owner, platformWork, type Ground } from './ground.ts';

const pieceFrom = (fromOffset: number, text: string): LogPiece => ({
  image: 'web',
  platform: arm64,
  fromOffset,
  toOffset: fromOffset + text.length,
  text,
});

const isAscending = (entries: readonly OutputEntry[]): boolean =>
  entries.every(({ seq }, index) => index === 0 || seq > (entries[index - 1]?.seq ?? 0));

export function describeOutput(ground: () => Ground): void {
  describe('events and log, in one order', () => {
    itAppends(ground);
    itReads(ground);
  });
}

function itAppends(ground: () => Ground): void {
  it('stores a piece where the log ends; a repeat and a gap change nothing', async () => {
    const { records, seedRunning, read } = ground();
    const key = await seedRunning(platformWork);
    const { version } = (await read(key.buildId)).build;
    const append = (piece: LogPiece): Promise<boolean> =>
      records.appendLog({ key, owner, piece, at: at(7) });
    expect(await append(pieceFrom(0, 'one\n'))).toBe(true);
    expect(await append(pieceFrom(0, 'one\n'))).toBe(false);
    expect(await append(pieceFrom(8, 'three\n'))).toBe(false);
    expect(await append(pieceFrom(4, `t'w"o\\ {}, ü\n`))).toBe(true);
    const entries = await records.readOutput({ buildId: key.buildId, afterSeq: 0, limit: 10 });
    const log = { kind: 'log', image: 'web', platform: arm64, at: at(7) };
    expect(entries.slice(-2)).toMatchObject([
      { ...log, text: 'one\n' },
      { ...log, text: `t'w"o\\ {}, ü\n` },
    ]);
    expect((await read(key.buildId)).build.version).toBe(version);
  });

  it('takes no log for work that has ended', async () => {
    const { records, seedRunning } = ground();
    const key = await seedRunning(platformWork);
    await records.finishWork({ key, owner, outcome: { state: 'canceled' }, at: at(1) });
    const piece = pieceFrom(0, 'late\n');
    expect(await records.appendLog({ key, owner, piece, at: at(2) })).toBe(false);
  });
}

function itReads(ground: () => Ground): void {
  it('merges events and log pieces in the order of their coming, page by page', async () => {
    const { records, seedRunning } = ground();
    const key = await seedRunning(platformWork);
    const { buildId } = key;
    await records.appendLog({ key, owner, piece: pieceFrom(0, 'one\n'), at: at(1) });
    const event = { type: 'preflight.warning', message: 'mind the gap' } as const;
    await records.appendEvent({ buildId, event, at: at(2) });
    await records.appendLog({ key, owner, piece: pieceFrom(4, 'two\n'), at: at(3) });
    const all = await records.readOutput({ buildId, afterSeq: 0, limit: 10 });
    expect(all.map(({ kind }) => kind)).toEqual(['event', 'log', 'event', 'log']);
    expect(all[2]).toMatchObject({ event, at: at(2) });
    expect(isAscending(all)).toBe(true);
    const afterSeq = all[0]?.seq ?? 0;
    const page = await records.readOutput({ buildId, afterSeq, limit: 2 });
    expect(page).toEqual(all.slice(1, 3));
    const end = all.at(-1)?.seq ?? 0;
    expect(await records.readOutput({ buildId, afterSeq: end, limit: 2 })).toEqual([]);
  });

  it('gives every entry a number of its own when many write side by side', async () => {
    const { records, seed } = ground();
    const { id: buildId } = await seed();
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        records.appendEvent({
          buildId,
          event: { type: 'preflight.warning', message: `${index}` },
          at: at(index),
        }),
      ),
    );
    const entries = await records.readOutput({ buildId, afterSeq: 0, limit: 100 });
    expect(entries).toHaveLength(40);
    expect(isAscending(entries)).toBe(true);
  });
}
