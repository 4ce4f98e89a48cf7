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

/** Refills the queue from the record: whatever was lost on the way is asked for again. Answers how many builds it asked for. */
export async function reconcile(deps: {
  records: Pick<BuildRecords, 'bringForward' | 'listDueBuilds'>;
  queue: Pick<StepQueue, 'askAdvance' | 'countWaiting'>;
  now: () => Date;
}): Promise<number> {
  const waiting = await deps.queue.countWaiting();
  const silenceMs = Math.max(shortestSilenceMs, waiting * silenceMsPerStep);
  const at = new Date(deps.now().getTime() + silenceMs);
  await deps.records.bringForward({ at, limit: roundSize });
  const due = await deps.records.listDueBuilds({ now: deps.now(), limit: roundSize });
  await Promise.all(due.map(({ id, version }) => deps.queue.askAdvance({ buildId: id, version })));
  return due.length;
}
