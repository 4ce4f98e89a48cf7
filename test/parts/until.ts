import { setTimeout as delay } from 'node:timers/promises';

/** Looks again and again until `look` answers something; `what` says in the error what never came. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    const leftMs = deadline - Date.now();
    if (leftMs < 0) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    // What has taken long is looked at less often: looks cost, too, where an API server answers them.
    await delay(Math.min(Math.max((withinMs - leftMs) / 10, 40), 250));
  }
}
