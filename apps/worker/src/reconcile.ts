import type { BuildRecords, StepQueue } from '@hephy/core';

/** As many builds as one round looks at, or brings forward; the rest comes in the next, oldest first. */
const roundSize = 500;

/** So long may a build that waits for its turn be left alone, however short the line is. */
const shortestSilenceMs = 15_000;
/**
 * For each step that waits. So no more than forty steps in a second are looked at for nothing, however many wait; and
 * while fewer than that begin in a second, one that was lost is found before its turn.
 */
const silenceMsPerStep = 25;

interface ReconcileDeps {
  readonly records: Pick<BuildRecords, 'bringForward' | 'listDueBuilds'>;
  readonly queue: Pick<StepQueue, 'askAdvance' | 'countWaiting'>;
  readonly now: () => Date;
}

/** Refills the queue from the record: whatever was lost on the way is asked for again. Answers how many builds it asked for. */
export async function reconcile(deps: ReconcileDeps): Promise<number> {
  const waiting = await deps.queue.countWaiting();
  return askWithin(Math.max(shortestSilenceMs, waiting * silenceMsPerStep), deps);
}

/** As a worker begins: a stop gave back what was at work, and the service's own Redis has forgotten what waited. */
export function reconcileAtStart(deps: ReconcileDeps): Promise<number> {
  return askWithin(0, deps);
}

/** Leaves no build alone for longer than that, and asks for those that are due. */
async function askWithin(
  silenceMs: number,
  { records, queue, now }: ReconcileDeps,
): Promise<number> {
  const at = new Date(now().getTime() + silenceMs);
  await records.bringForward({ at, limit: roundSize });
  const due = await records.listDueBuilds({ now: now(), limit: roundSize });
  await Promise.all(due.map(({ id, version }) => queue.askAdvance({ buildId: id, version })));
  return due.length;
}
