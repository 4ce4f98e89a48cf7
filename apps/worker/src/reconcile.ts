import type { BuildRecords, StepQueue } from '@hephy/core';

/** As many builds as one round looks at; the rest comes in the next, oldest first. */
const roundSize = 500;

/** Refills the queue from the record: whatever was lost on the way is asked for again. Answers how many builds it asked for. */
export async function reconcile(deps: {
  records: Pick<BuildRecords, 'listDueBuilds'>;
  queue: Pick<StepQueue, 'askAdvance'>;
  now: () => Date;
}): Promise<number> {
  const due = await deps.records.listDueBuilds({ now: deps.now(), limit: roundSize });
  await Promise.all(due.map(({ id, version }) => deps.queue.askAdvance({ buildId: id, version })));
  return due.length;
}
