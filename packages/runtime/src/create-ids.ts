import { monotonicFactory } from 'ulid';

/** Makes ULIDs that sort in the order they were made, within this process. `random` answers from 0 to below 1. */
export function createIds({
  now,
  random,
}: {
  now: () => Date;
  random: () => number;
}): () => string {
  const next = monotonicFactory(random);
  return () => next(now().getTime());
}
