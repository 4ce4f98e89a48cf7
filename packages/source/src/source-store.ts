/**
 * Where the tarballs of pushed commits lie until their builds have ended, found by the sha256 of their bytes.
 * Every kind passes `source-store-conformance.ts`.
 */
import type { Readable } from 'node:stream';
import type { Failure, SourceRef } from '@hephy/core';

export type PutResult =
  | { readonly ok: true; readonly source: SourceRef }
  /** `SourceTooLarge`, `DiskFull` or `SourceNotStored`; nothing is left behind. */
  | { readonly ok: false; readonly failure: Failure };

export interface SourceStore {
  /**
   * Stores all of `stream`, whatever it holds; the same bytes twice are one source. Once it answers, the source survives
   * a power cut. Rejects with the stream's error or the signal's reason, and then leaves nothing behind.
   */
  put(
    stream: AsyncIterable<Uint8Array>,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<PutResult>;
  /**
   * The bytes, checked on the way: the stream ends only if they are those of `source`. Otherwise, and if there is no such
   * source, it is destroyed with a `SourceDamaged`; with a `SourceAway` if that cannot be known.
   */
  open(source: SourceRef): Readable;
  /** Unknown: nothing to do. */
  remove(sha256: string): Promise<void>;
  /**
   * Removes what was put before `olderThan` and is not in `keep`, and leftovers of killed puts as old. A large store is
   * swept in parts, one each time.
   */
  sweep(options: {
    readonly keep: ReadonlySet<string>;
    readonly olderThan: Date;
  }): Promise<{ readonly removed: number }>;
}

/** The source is missing, or its bytes are not those that its sha256 names. */
export class SourceDamaged extends Error {
  override readonly name: string = 'SourceDamaged';
}

/** The store of it cannot be reached, or does not let us: the source may be well, and be had later. */
export class SourceAway extends SourceDamaged {
  override readonly name = 'SourceAway';
}
