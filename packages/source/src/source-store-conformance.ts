/** What every store of sources does. Imported by tests alone. */
import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SourceDamaged, type PutResult, type SourceStore } from './source-store.ts';

export interface SourceStoreUnderTest {
  readonly store: SourceStore;
  /** Changes one byte of what is stored, as a broken disk would. */
  damage(sha256: string): Promise<void>;
  /** All that is kept, leftovers included. */
  listKept(): Promise<string[]>;
  close(): Promise<void>;
}

export function sourceStoreConformance(
  kind: string,
  open: () => Promise<SourceStoreUnderTest>,
): void {
  describe(`the ${kind} store of sources`, () => {
    let parts: SourceStoreUnderTest;
    beforeAll(async () => {
      parts = await open();
    });
    afterAll(() => parts.close());
    putting(() => parts);
    opening(() => parts);
    removing(() => parts);
  });
}

function putting(parts: () => SourceStoreUnderTest): void {
  test('what was put is found by its sha256, byte for byte', async () => {
    const bytes = randomBytes(300_000);
    const source = sourceOf(await put(parts(), bytes));
    expect(source).toEqual({ sha256: sha256Of(bytes), sizeBytes: bytes.length });
    expect((await buffer(parts().store.open(source))).equals(bytes)).toBe(true);
  });

  test('the same bytes twice, at once, are one source', async () => {
    const bytes = randomBytes(1000);
    const [one, two] = await Promise.all([put(parts(), bytes), put(parts(), bytes)]);
    expect(one).toEqual(two);
    const kept = await parts().listKept();
    expect(kept.filter((name) => name.includes(sha256Of(bytes)))).toHaveLength(1);
  });

  test('an empty stream is a source too', async () => {
    const source = sourceOf(await put(parts(), Buffer.alloc(0)));
    expect(await buffer(parts().store.open(source))).toHaveLength(0);
  });

  test('more than maxBytes is refused and leaves nothing', async () => {
    const before = await parts().listKept();
    const refused = await put(parts(), randomBytes(2000), { maxBytes: 1999 });
    expect(refused).toMatchObject({ ok: false, failure: { reason: 'SourceTooLarge' } });
    expect(await parts().listKept()).toEqual(before);
  });

  test('a stream that breaks leaves nothing', async () => {
    const before = await parts().listKept();
    const broken = new Error('the archive ended early');
    await expect(
      parts().store.put(breaking(broken), { maxBytes: 1e6, signal: inTime() }),
    ).rejects.toBe(broken);
    expect(await parts().listKept()).toEqual(before);
  });

  test('a put that is aborted while it waits for bytes ends at once and leaves nothing', async () => {
    const before = await parts().listKept();
    const leave = new AbortController();
    const putting = parts().store.put(
      silent(() => leave.abort(new Error('client left'))),
      {
        maxBytes: 1e6,
        signal: leave.signal,
      },
    );
    await expect(putting).rejects.toThrow('client left');
    expect(await parts().listKept()).toEqual(before);
  });
}

function opening(parts: () => SourceStoreUnderTest): void {
  test('bytes that have changed are never taken for the source', async () => {
    const source = sourceOf(await put(parts(), randomBytes(5000)));
    await parts().damage(source.sha256);
    await expect(buffer(parts().store.open(source))).rejects.toBeInstanceOf(SourceDamaged);
  });

  test('a source that is not there is damaged', async () => {
    const source = { sha256: sha256Of(randomBytes(8)), sizeBytes: 8 };
    await expect(buffer(parts().store.open(source))).rejects.toBeInstanceOf(SourceDamaged);
  });

  test('a reader that stops early breaks nothing', async () => {
    const bytes = randomBytes(2_000_000);
    const source = sourceOf(await put(parts(), bytes));
    for await (const chunk of parts().store.open(source)) {
      expect(chunk).toBeInstanceOf(Buffer);
      break;
    }
    expect((await buffer(parts().store.open(source))).equals(bytes)).toBe(true);
  });
}

function removing(parts: () => SourceStoreUnderTest): void {
  test('a removed source is gone, and removing it again is nothing', async () => {
    const source = sourceOf(await put(parts(), randomBytes(100)));
    await parts().store.remove(source.sha256);
    await parts().store.remove(source.sha256);
    await expect(buffer(parts().store.open(source))).rejects.toBeInstanceOf(SourceDamaged);
  });

  test('a sweep removes what is old and not kept', async () => {
    const kept = sourceOf(await put(parts(), randomBytes(100)));
    const orphan = sourceOf(await put(parts(), randomBytes(100)));
    const keep = new Set([kept.sha256]);
    const past = new Date(Date.now() - 3_600_000);
    const future = new Date(Date.now() + 3_600_000);
    expect(await parts().store.sweep({ keep, olderThan: past })).toEqual({ removed: 0 });
    const { removed } = await parts().store.sweep({ keep, olderThan: future });
    expect(removed).toBeGreaterThanOrEqual(1);
    const left = (await parts().listKept()).join('\n');
    expect(left).toContain(kept.sha256);
    expect(left).not.toContain(orphan.sha256);
  });
}

const inTime = (): AbortSignal => AbortSignal.timeout(30_000);

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function put(
  { store }: SourceStoreUnderTest,
  bytes: Buffer,
  { maxBytes = 1e7 } = {},
): Promise<PutResult> {
  return store.put(inPieces(bytes), { maxBytes, signal: inTime() });
}

function sourceOf(result: PutResult): { sha256: string; sizeBytes: number } {
  if (!result.ok) throw new Error(`refused: ${result.failure.reason}`);
  return result.source;
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 65_521) {
    yield bytes.subarray(start, start + 65_521);
  }
}

async function* breaking(error: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from('some bytes');
  throw error;
}

/** One chunk, then nothing for ever; calls back when it is asked for the second. */
async function* silent(asked: () => void): AsyncGenerator<Uint8Array> {
  yield Buffer.from('some bytes');
  asked();
  await new Promise<never>(() => undefined);
}
