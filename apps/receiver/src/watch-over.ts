import { isTerminal, type BuildRecord } from '@hephy/core';

/** Silence after which a pusher learns that nobody works for the build, and between two such words. */
const lookEveryMs = 30_000;

/** What comes after a build's deadline has to end by itself: a cancel, or a publication and its retries. */
export const patienceMs = 10 * 60_000;

export interface WatchDeps {
  readonly records: { readBuild(buildId: string): Promise<BuildRecord | undefined> };
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly now: () => Date;
  /** What this process itself cannot reach, by name: `ok`, or what is wrong, for the operator. */
  readonly health: { ready(): Promise<{ readonly checks: Readonly<Record<string, string>> }> };
}

/**
 * What a waiting push cannot learn from its build: that no process works for it, or that none can. Says so from time to
 * time, and resolves once the build is overdue; rejects when the signal aborts.
 */
export async function watchOver(
  { buildId, write, signal }: { buildId: string; write: Write; signal: AbortSignal },
  { records, wait, now, health }: WatchDeps,
): Promise<void> {
  for (;;) {
    await wait(lookEveryMs, signal);
    const record = await records.readBuild(buildId);
    signal.throwIfAborted();
    if (!record || isTerminal(record.build.state)) continue;
    const { number, deadlineAt } = record.build;
    if (now().getTime() > deadlineAt.getTime() + patienceMs) return;
    if (waitsForSomebody(record, now())) {
      const { checks } = await health.ready();
      signal.throwIfAborted();
      await write(`       Build ${number} waits: ${whyItWaits(checks)}`);
    }
  }
}

function whyItWaits(checks: Readonly<Record<string, string>>): string {
  const [away] = Object.entries(checks).find(([, result]) => result !== 'ok') ?? [];
  if (away === undefined) return 'no worker is free, or none runs (hephy worker, hephy publisher)';
  return `the service does not reach its ${away}; it goes on by itself when it does again`;
}

type Write = (line: string) => Promise<void> | void;

function waitsForSomebody({ work }: BuildRecord, now: Date): boolean {
  return work.every(
    ({ state, notBefore, leaseUntil }) =>
      (state !== 'running' || (leaseUntil !== null && leaseUntil < now)) &&
      (state !== 'pending' || notBefore === null || notBefore < now),
  );
}
