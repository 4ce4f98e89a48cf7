import { KubeFailure } from './kube-failure.ts';

/** Time and chance, as arguments. */
export interface Timing {
  readonly now: () => Date;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Rejects as soon as the signal aborts. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface RetryLimits {
  /** The first included. */
  readonly attempts: number;
  readonly firstWaitMs: number;
  /** A server that asks for a longer wait is left alone: the failure says how long. */
  readonly longestWaitMs: number;
}

/** Tries again while the failure says that it is temporary. Throws the last failure, or the signal's reason. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { timing, limits, signal }: { timing: Timing; limits: RetryLimits; signal: AbortSignal },
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof KubeFailure) || !error.temporary || tries >= limits.attempts) {
        throw error;
      }
      const askedMs = error.retryAfterMs ?? 0;
      if (askedMs > limits.longestWaitMs) throw error;
      await timing
        .wait(askedMs + backoffMs(tries, limits, timing.random()), signal)
        .finally(() => signal.throwIfAborted());
    }
  }
}

/** Waits grow twofold. The jitter keeps many who were told the same second from coming back together. */
export function backoffMs(
  tries: number,
  { firstWaitMs, longestWaitMs }: Pick<RetryLimits, 'firstWaitMs' | 'longestWaitMs'>,
  chance: number,
): number {
  return Math.min(firstWaitMs * 2 ** (tries - 1), longestWaitMs) * (0.5 + chance / 2);
}
