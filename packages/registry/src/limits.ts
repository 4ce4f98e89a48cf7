/** Every bound of the client. Times are milliseconds, sizes are bytes. */
export interface RegistryLimits {
  /** Of one operation, the first included. */
  readonly attempts: number;
  readonly connectTimeoutMs: number;
  /** Silence before an answer's head, and between parts of its body. */
  readonly silenceTimeoutMs: number;
  /** One request and its answer as a whole, except a blob's upload, which silence alone bounds. */
  readonly exchangeTimeoutMs: number;
  /** No try begins after this long. */
  readonly operationTimeoutMs: number;
  readonly firstWaitMs: number;
  /** A registry that asks for more is left alone: the failure says how long. */
  readonly longestWaitMs: number;
  /** To one host at a time. */
  readonly connections: number;
  readonly manifestReadBytes: number;
  readonly manifestWriteBytes: number;
  readonly errorBytes: number;
}

export const defaultLimits: RegistryLimits = {
  attempts: 5,
  connectTimeoutMs: 10_000,
  silenceTimeoutMs: 30_000,
  exchangeTimeoutMs: 60_000,
  operationTimeoutMs: 120_000,
  firstWaitMs: 200,
  longestWaitMs: 30_000,
  connections: 8,
  manifestReadBytes: 8 * 1024 * 1024,
  manifestWriteBytes: 4 * 1024 * 1024,
  errorBytes: 64 * 1024,
};
