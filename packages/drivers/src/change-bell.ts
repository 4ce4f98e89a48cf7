import { watch } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ChangeBell {
  /** Resolves when something in the directory has changed since the last call, or it is time to look again. */
  next(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Rings when the directory changes, and every `pollMs` in case the kernel has no watch left to give. */
export function openChangeBell(directory: string, pollMs: number): ChangeBell {
  let rung = true;
  let ring: (() => void) | undefined;
  const onChange = (): void => {
    rung = true;
    ring?.();
  };
  const watcher = tryWatch(directory, onChange);
  return {
    async next(signal) {
      if (!rung) {
        const changed = new Promise<void>((resolve) => {
          ring = resolve;
        });
        const ended = new AbortController();
        const either = AbortSignal.any([signal, ended.signal]);
        const poll = delay(pollMs, undefined, { signal: either }).catch(() => undefined);
        await Promise.race([changed, poll]);
        ended.abort();
      }
      signal.throwIfAborted();
      rung = false;
    },
    close: () => watcher?.close(),
  };
}

function tryWatch(directory: string, onChange: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    // ENOENT or no watch left: polling alone still tells everything, only later.
    return undefined;
  }
}
