import { unlessAborted } from '@hephy/core';

export interface ShutdownOptions {
  /** `process`, or what stands for it in a test. */
  readonly signals: Pick<NodeJS.EventEmitter, 'on' | 'off'>;
  /** For all closers together; each has a second at least. */
  readonly graceMs: number;
  readonly log: {
    info(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  readonly exit: (code: number) => void;
  /** Milliseconds from any moment on. */
  readonly now?: () => number;
}

export interface Shutdown {
  /** Aborts as the stop begins. */
  readonly signal: AbortSignal;
  /** Closers run one after another, the last one added first; one that is added during the stop runs next. */
  add(name: string, close: () => unknown): void;
  /** Stops as a signal would. Exits 0, or with `code`, or with 1 if a closer failed or the time was over. */
  stop(reason: string, code?: number): Promise<void>;
}

const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/** One Ctrl-C comes twice under npm: from the terminal, and passed on by npm. */
const sameSignalMs = 500;

/** A graceful stop on SIGTERM and SIGINT. A second signal exits at once. */
export function createShutdown(options: ShutdownOptions): Shutdown {
  const now = options.now ?? (() => performance.now());
  const closers: Closer[] = [];
  const stopping = new AbortController();
  let stopped: Promise<void> | undefined;

  const stop = (reason: string, code = 0): Promise<void> => {
    stopping.abort('shutdown');
    stopped ??= closeAll(closers, { reason, code, ...options });
    return stopped;
  };
  let signalledAt: number | undefined;
  for (const signal of stopSignals) {
    options.signals.on(signal, () => {
      signalledAt ??= now();
      if (now() - signalledAt > sameSignalMs) options.exit(1);
      void stop(signal);
    });
  }
  return {
    signal: stopping.signal,
    add: (name, close) => void closers.push({ name, close }),
    stop,
  };
}

/** What a closer has although those before it have used up the time: a database must not pay for a hung socket. */
const leastMs = 1_000;

interface Closer {
  readonly name: string;
  readonly close: () => unknown;
}

async function closeAll(
  closers: Closer[],
  { reason, code, graceMs, log, exit }: ShutdownOptions & { reason: string; code: number },
): Promise<void> {
  log.info({ reason }, 'stopping');
  const endsAt = performance.now() + graceMs;
  let allClosed = true;
  // One after another from the end, so that what is added during the stop is closed as well.
  for (let closer = closers.pop(); closer; closer = closers.pop()) {
    try {
      const leftMs = Math.max(Math.ceil(endsAt - performance.now()), leastMs);
      await unlessAborted(Promise.resolve().then(closer.close), AbortSignal.timeout(leftMs));
    } catch (error) {
      allClosed = false;
      log.error({ err: error, closer: closer.name }, 'could not be closed');
    }
  }
  log.info({ reason }, 'stopped');
  exit(allClosed ? code : Math.max(code, 1));
}
