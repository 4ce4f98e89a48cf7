export type RegistryFailureReason =
  | 'RegistryUnavailable'
  | 'RateLimited'
  | 'RegistryUnauthorized'
  | 'PushDenied'
  | 'TagImmutable'
  | 'DigestMismatch'
  | 'ManifestInvalid'
  | 'ManifestTooLarge'
  | 'NotFound';

export interface RegistryFailureFacts {
  readonly reason: RegistryFailureReason;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly temporary: boolean;
  readonly method: string;
  /** Without query and user: an upload's address carries state, some tokens. */
  readonly url: string;
  readonly status?: number;
  /** What the registry asked us to wait. */
  readonly retryAfterMs?: number;
  /** The registry's own error codes, such as `BLOB_UPLOAD_INVALID`. */
  readonly codes?: readonly string[];
}

/** What every method of the client throws when the registry, or the way to it, fails. */
export class RegistryFailure extends Error {
  override readonly name = 'RegistryFailure';
  readonly reason: RegistryFailureReason;
  readonly temporary: boolean;
  readonly method: string;
  readonly url: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly codes: readonly string[];

  constructor(message: string, facts: RegistryFailureFacts, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = facts.reason;
    this.temporary = facts.temporary;
    this.method = facts.method;
    this.url = facts.url;
    this.status = facts.status;
    this.retryAfterMs = facts.retryAfterMs;
    this.codes = facts.codes ?? [];
  }
}

export function redactUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** One printable line of at most `longest` characters, whatever a server sent. */
export function printable(text: string, longest = 300): string {
  const line = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line.length > longest ? `${line.slice(0, longest)}…` : line;
}
