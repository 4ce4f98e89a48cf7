/**
 * The life of a process's hold on one piece of work: claim it, keep the lease while the body runs, record the outcome,
 * ask for `advance`. Everything that carries out a step goes through here, so that two processes never finish the same
 * attempt, and a killed one loses nothing but time.
 */
import type { WorkKey } from './build.ts';
import type { Step } from './decide.ts';
import { failureOf } from './reasons.ts';
import type { BuildRecords, BuildSignals, StepQueue, WorkOutcome } from './record.ts';

/** Why a body is told to end: the build stops, somebody else holds the work by now, or this process leaves. */
export type EndReason = 'stop' | 'lost' | 'shutdown';

export interface HeldWork {
  readonly owner: string;
  /** Where the stored log of this attempt ends, in bytes of the builder's own log. */
  readonly logOffset: number;
  /** Aborts with an `EndReason`. After `lost` or `shutdown` the body's outcome is not recorded. */
  readonly signal: AbortSignal;
  readonly leaseUntil: () => Date;
}

export interface HoldDeps {
  readonly records: Pick<BuildRecords, 'claimWork' | 'renewWork' | 'finishWork'>;
  readonly queue: Pick<StepQueue, 'askAdvance'>;
  readonly signals: BuildSignals & {
    /** Calls back when a build may have changed; answers how to end it. May miss calls. */
    subscribe(buildId: string, callback: () => void): () => void;
  };
  readonly now: () => Date;
  readonly newId: () => string;
  readonly leaseMs: number;
  /** Calls back again and again; answers how to end it. */
  readonly repeat: (everyMs: number, callback: () => unknown) => () => void;
  /** Aborts when this process leaves. */
  readonly shutdown: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** Answers whether this call recorded the outcome. */
export async function holdWork(
  step: Step,
  body: (held: HeldWork) => Promise<WorkOutcome>,
  deps: HoldDeps,
): Promise<boolean> {
  const { attempt, ...key } = step;
  const owner = deps.newId();
  let until = leaseFrom(deps);
  const claim = await deps.records.claimWork({
    key,
    attempt,
    lease: { owner, until },
    at: deps.now(),
  });
  if (!claim) return false;
  // Answered so late that the lease may be over before the body's first effect lands, such as the start of a builder
  // that another holder has cleaned up by then: whoever comes after the lease begins instead.
  if (deps.now().getTime() > until.getTime() - deps.leaseMs / 2) return false;
  const ending = new AbortController();
  const end = (reason: EndReason): void => ending.abort(reason);
  if (claim.stop) end('stop');

  const renew = async (): Promise<void> => {
    const next = leaseFrom(deps);
    const renewed = await deps.records.renewWork({ key, lease: { owner, until: next } });
    if (!renewed.held) return end('lost');
    until = next;
    if (renewed.stop) end('stop');
  };
  const release = keepLease({ step, renew, end }, deps);
  const held: HeldWork = {
    owner,
    logOffset: claim.logOffset,
    signal: ending.signal,
    leaseUntil: () => until,
  };
  const outcome = await body(held).catch((error: unknown) => unexpected(error, deps));
  release();
  if (endedBy(ending.signal) === 'lost') return false;
  if (deps.shutdown.aborted || outcome === 'unknown') return handOver({ key, owner }, deps);
  const { finished, version } = await deps.records.finishWork({
    key,
    owner,
    outcome,
    at: deps.now(),
  });
  if (!finished) return false;
  await deps.signals.notify(step.buildId);
  await deps.queue.askAdvance({ buildId: step.buildId, version });
  return true;
}

/** Gives the lease back, and fails the QueueJob, so that the next process need not wait for either to run out. */
async function handOver(
  { key, owner }: { key: WorkKey; owner: string },
  { records, now }: HoldDeps,
): Promise<never> {
  await records.renewWork({ key, lease: { owner, until: now() } });
  throw new HandOver(`${key.kind} ${key.name} is handed over`);
}

/**
 * Thrown by a body that cannot tell how its work goes on, although it does: whoever claims next adopts it. The QueueJob
 * fails with it, too, so that it comes again soon.
 */
export class HandOver extends Error {
  override readonly name = 'HandOver';
}

export function endedBy(signal: AbortSignal): EndReason | undefined {
  return signal.aborted ? (signal.reason as EndReason) : undefined;
}

/** How late a lost or suppressed signal makes a cancel. */
const renewEveryMs = 1_000;
/** What a signal's renewal waits for: signals come with every piece of log, and at a builder's end there is more to do. */
const quietMs = 100;

function keepLease(
  work: { step: Step; renew: () => Promise<void>; end: (reason: EndReason) => void },
  deps: HoldDeps,
): () => void {
  // A failed renewal is tried again by the next call; until the lease is over nobody else can hold the work.
  const renew = (): void => void work.renew().catch(deps.onError);
  let stopWaiting: (() => void) | undefined;
  const onSignal = (): void => {
    stopWaiting ??= deps.repeat(quietMs, () => {
      stopWaiting?.();
      stopWaiting = undefined;
      renew();
    });
  };
  const onShutdown = (): void => work.end('shutdown');
  const stopRepeating = deps.repeat(renewEveryMs, renew);
  const unsubscribe = deps.signals.subscribe(work.step.buildId, onSignal);
  deps.shutdown.addEventListener('abort', onShutdown);
  if (deps.shutdown.aborted) onShutdown();
  return () => {
    stopRepeating();
    unsubscribe();
    stopWaiting?.();
    deps.shutdown.removeEventListener('abort', onShutdown);
  };
}

function leaseFrom({ now, leaseMs }: HoldDeps): Date {
  return new Date(now().getTime() + leaseMs);
}

function unexpected(error: unknown, { onError }: HoldDeps): WorkOutcome | 'unknown' {
  onError(error);
  if (error instanceof HandOver) return 'unknown';
  const detail = error instanceof Error ? error.message : String(error);
  return { state: 'failed', failure: failureOf('InternalError', { detail }) };
}
