import { failureOf, type Failure, type Reason } from '@hephy/core';
import { isDiskFull } from './write-source.ts';

/** A tarball that cannot be unpacked, however often it is fetched. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
  readonly failure: Failure;

  constructor(reason: Reason, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.failure = failureOf(reason, { detail });
  }
}

/** Of what the file system refused. */
export function unpackErrorOf(error: unknown): UnpackError {
  if (error instanceof UnpackError) return error;
  const reason = isDiskFull(error) ? 'DiskFull' : 'SourceUnavailable';
  const why = error instanceof Error ? error.message : String(error);
  return new UnpackError(reason, `unpacking: ${why}`, { cause: error });
}
