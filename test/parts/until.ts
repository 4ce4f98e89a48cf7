import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again until `look` answers something; `what` says in the error what never came. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 60_000,
): Promise<T> {
  const startedAt = Date.now();
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    const waitedMs = Date.now() - startedAt;
    if (waitedMs > withinMs) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    // What has taken long is looked at less often: looks cost, too, where an API server answers them.
    await delay(Math.min(Math.max(waitedMs / 10, 40), 250));
  }
}
