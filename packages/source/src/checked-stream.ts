import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { SourceRef } from '@hephy/core';
import { SourceDamaged } from './source-store.ts';

/** Passes bytes on, and fails at the end unless all of them together are `source`. */
export function checkedStream(source: SourceRef): Transform {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      hash.update(bytes);
      sizeBytes += bytes.length;
      done(null, bytes);
    },
    flush(done) {
      const sha256 = hash.digest('hex');
      const same = sha256 === source.sha256 && sizeBytes === source.sizeBytes;
      done(
        same
          ? null
          : new SourceDamaged(
              `source ${source.sha256} holds ${sizeBytes} bytes with sha256 ${sha256}, not the ${source.sizeBytes} that were stored`,
            ),
      );
    },
  });
}
