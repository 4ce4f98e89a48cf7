/** The API server's clock, as the `Date` of its answers tells it: the times in its objects are by that one, not by ours. */
export interface ClusterClock {
  /** To the second; ours until an answer has told it. */
  now(): Date;
  /** Takes the `Date` header of an answer that has just come. */
  hear(date: string | readonly string[] | undefined): void;
}

export function createClusterClock(now: () => Date): ClusterClock {
  let aheadMs = 0;
  return {
    now: () => new Date(now().getTime() + aheadMs),
    hear(date) {
      const toldMs = Date.parse(String(date));
      if (!Number.isNaN(toldMs)) aheadMs = toldMs - now().getTime();
    },
  };
}
