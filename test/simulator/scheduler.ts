/**
 * A virtual clock and the one queue of everything that will happen. An event runs, all promises that it settled run to
 * their next await, then the next event: so a run is a list, and the seed alone orders it.
 */
export interface Scheduler {
  /** Milliseconds since the scenario began. */
  now(): number;
  after(delayMs: number, run: () => void): void;
  /** Runs events in order until `over` says so, answering how many ran. */
  run(over: () => boolean): Promise<number>;
}

interface ScheduledEvent {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export function makeScheduler(): Scheduler {
  const heap: ScheduledEvent[] = [];
  let now = 0;
  let scheduled = 0;
  return {
    now: () => now,
    after(delayMs, run) {
      scheduled += 1;
      push(heap, { at: now + Math.max(0, delayMs), order: scheduled, run });
    },
    run: (over) =>
      new Promise((resolve, reject) => {
        let ran = 0;
        const turn = (): void => {
          const event = over() ? undefined : pop(heap);
          if (!event) return resolve(ran);
          now = event.at;
          ran += 1;
          try {
            event.run();
          } catch (error) {
            return reject(error);
          }
          // An immediate comes after all microtasks: every promise has gone as far as it can.
          setImmediate(turn);
        };
        turn();
      }),
  };
}

function sooner(one: ScheduledEvent, other: ScheduledEvent): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function push(heap: ScheduledEvent[], event: ScheduledEvent): void {
  let place = heap.length;
  heap.push(event);
  while (place > 0) {
    const above = (place - 1) >> 1;
    const parent = heap[above];
    if (!parent || !sooner(event, parent)) break;
    heap[place] = parent;
    place = above;
  }
  heap[place] = event;
}

function pop(heap: ScheduledEvent[]): ScheduledEvent | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || first === last) return first;
  let place = 0;
  for (;;) {
    const left = 2 * place + 1;
    const one = heap[left];
    const other = heap[left + 1];
    const child = one && other && sooner(other, one) ? other : one;
    if (!child || !sooner(child, last)) break;
    heap[place] = child;
    place = child === one ? left : left + 1;
  }
  heap[place] = last;
  return first;
}
