import { reasons } from '@hephy/core';
import type { Reason } from '@hephy/core';
import { RegistryFailure } from './failure.ts';
import type { RegistryFailureReason } from './failure.ts';

/** Why a step of a publication was refused, in the words of the record. */
export interface PublishFailure {
  readonly reason: PublishReason;
  readonly message: string;
  /** Whether the same step may succeed later without anybody changing anything. */
  readonly temporary: boolean;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export type PublishReason = Extract<
  Reason,
  | 'RegistryUnavailable'
  | 'RateLimited'
  | 'RegistryUnauthorized'
  | 'PushDenied'
  | 'TagImmutable'
  | 'ManifestInvalid'
  | 'DigestMissing'
  | 'DigestMismatch'
  | 'PlatformMismatch'
  | 'MediaTypeConflict'
  | 'LayoutInvalid'
>;

export type Refused = { ok: false; failure: PublishFailure };

export function refuse(reason: PublishReason, message: string): Refused {
  return { ok: false, failure: { reason, message, temporary: reasons[reason].retried !== false } };
}

/** Turns what the client throws into a value; what it did not mean to throw flies on. */
export async function refusedAsValue<T>(work: () => Promise<T>): Promise<T | Refused> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RegistryFailure)) throw error;
    const { message, temporary, retryAfterMs } = error;
    return {
      ok: false,
      failure: {
        reason: recorded(error.reason),
        message,
        temporary,
        cause: error,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      },
    };
  }
}

function recorded(reason: RegistryFailureReason): PublishReason {
  if (reason === 'ManifestTooLarge') return 'ManifestInvalid';
  return reason === 'NotFound' ? 'DigestMissing' : reason;
}
