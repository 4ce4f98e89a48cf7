import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { SourceRef } from '@hephy/core';
import { SourceDamaged } from './source-store.ts';

/**
 * Passes bytes on, and fails at the end unless all of them together are `source`. The last are held back until then, so
 * that nobody who counts takes other bytes for it.
 */
export function checkedStream(source: SourceRef): Transform {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let held: Buffer | undefined;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      hash.update(bytes);
      sizeBytes += bytes.length;
      if (sizeBytes > source.sizeBytes) return done(damaged(source, 'more bytes'));
      const passed = held;
      held = bytes;
      done(null, passed);
    },
    flush(done) {
      const sha256 = hash.digest('hex');
      const same = sha256 === source.sha256 && sizeBytes === source.sizeBytes;
      if (same) done(null, held);
      else done(damaged(source, `${sizeBytes} bytes with sha256 ${sha256}`));
    },
  });
}

function damaged({ sha256, sizeBytes }: SourceRef, found: string): SourceDamaged {
  return new SourceDamaged(
    `source ${sha256} holds ${found}, not the ${sizeBytes} that were stored`,
  );
}
