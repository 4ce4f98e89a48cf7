import { RegistryFailure } from './failure.ts';
import type { RegistryLimits } from './limits.ts';

export interface RetryDeps {
  readonly limits: RegistryLimits;
  readonly now: () => number;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Rejects as soon as the signal aborts. */
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** The registry's own wish, which holds for every request to it, not only for the one it refused. */
  readonly hold: { untilMs: number };
}

/** Tries again while the failure says that it is temporary: waits grow twofold, with jitter, and are
 *  never shorter than the registry asks. Throws the last failure, or the signal's reason. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  deps: RetryDeps,
  signal?: AbortSignal,
): Promise<T> {
  const { limits, now, wait, hold } = deps;
  const deadlineMs = now() + limits.operationTimeoutMs;
  for (let tries = 1; ; tries += 1) {
    const heldMs = hold.untilMs - now();
    if (heldMs > 0) await wait(heldMs, signal);
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RegistryFailure) || !error.temporary) throw error;
      const waitMs = waitBefore(tries, error.retryAfterMs, deps);
      const isOver = tries >= limits.attempts || now() + waitMs > deadlineMs;
      if (isOver || (error.retryAfterMs ?? 0) > limits.longestWaitMs) throw error;
      if (error.retryAfterMs !== undefined) {
        hold.untilMs = Math.max(hold.untilMs, now() + error.retryAfterMs);
      }
      await wait(waitMs, signal);
    }
  }
}

function waitBefore(
  tries: number,
  retryAfterMs: number | undefined,
  { limits, random }: RetryDeps,
): number {
  const growing = Math.min(limits.firstWaitMs * 2 ** (tries - 1), limits.longestWaitMs);
  const jittered = growing * (0.5 + random() / 2);
  // Many clients are told the same second: the jitter keeps them from coming back together.
  return retryAfterMs === undefined ? jittered : retryAfterMs + jittered;
}
