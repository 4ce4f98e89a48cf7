/**
 * The record: what every process reads and writes, whatever database holds it. Each write is atomic, and raises the
 * build's version. `packages/store` implements it on PostgreSQL; the simulator's in-memory kind passes the same
 * conformance suite.
 */
import type { BuildRecord, ImageTag, WorkKey, WorkKind } from './build.ts';
import type { BuildChange } from './decide.ts';
import type { BuildEvent, OutputEntry } from './output.ts';
import type { Failure } from './reasons.ts';

/** Who holds a piece of work, and until when. A new process is a new owner, even on the same machine. */
export interface Lease {
  readonly owner: string;
  readonly until: Date;
}

export type WorkResult = Record<string, unknown>;

export type WorkOutcome =
  | { readonly state: 'succeeded'; readonly result: WorkResult }
  | {
      readonly state: 'failed';
      readonly failure: Failure;
      /** What was found out all the same. */
      readonly result?: WorkResult;
    }
  | { readonly state: 'canceled' };

export interface LogPiece {
  readonly image: string;
  readonly platform: string;
  /** Position in the builder's own log, in bytes: where this piece starts and ends. Repeats are ignored by it. */
  readonly fromOffset: number;
  readonly toOffset: number;
  /** Whole lines, each ended by `\n`. */
  readonly text: string;
}

export interface BuildRecords {
  readBuild(buildId: string): Promise<BuildRecord | undefined>;

  /** Applies all of `change` if the build's version still is `version`; answers whether it did. */
  applyChange(input: {
    buildId: string;
    version: number;
    change: BuildChange;
    at: Date;
    /** Ids for what the change creates (deliveries, events), from the caller's source of ids. */
    newId: () => string;
  }): Promise<boolean>;

  /** When the reconciler has to look at this build again; later calls replace earlier ones. */
  setAskAgainAt(buildId: string, at: Date): Promise<void>;

  /** Has builds that would be left alone past `at` looked at then, so many in a call, the farthest first. */
  bringForward(input: { at: Date; limit: number }): Promise<void>;

  /** Builds that have not ended and whose `askAgainAt` has come, oldest first. */
  listDueBuilds(input: { now: Date; limit: number }): Promise<{ id: string; version: number }[]>;

  /**
   * Takes the work if `attempt` is still its attempt and it is pending, or running under a lease that is over. The build
   * is looked at again when the lease ends, or before.
   * Answers the attempt's log offset (0 at first), and `stop` when the build is `canceling` or has ended; undefined if the
   * work was not taken.
   */
  claimWork(input: {
    key: WorkKey;
    attempt: number;
    lease: Lease;
    at: Date;
  }): Promise<{ readonly logOffset: number; readonly stop: boolean } | undefined>;

  /** Prolongs a lease that is still ours; `stop` tells the holder to cancel what it runs. */
  renewWork(input: {
    key: WorkKey;
    lease: Lease;
  }): Promise<{ readonly held: boolean; readonly stop: boolean }>;

  /** Ends the work if the lease still is `owner`'s; answers whether it did, with the build's new version. */
  finishWork(input: {
    key: WorkKey;
    owner: string;
    outcome: WorkOutcome;
    at: Date;
  }): Promise<{ readonly finished: boolean; readonly version: number }>;

  /** Stores log lines of a platform build if the lease is `owner`'s and `fromOffset` is where its log ends. */
  appendLog(input: { key: WorkKey; owner: string; piece: LogPiece; at: Date }): Promise<boolean>;

  /** Adds a line of history. */
  appendEvent(input: { buildId: string; event: BuildEvent; at: Date }): Promise<void>;

  /** Events and log pieces after `afterSeq`, in order. */
  readOutput(input: { buildId: string; afterSeq: number; limit: number }): Promise<OutputEntry[]>;

  /** Records a wish to cancel, once, and has the build looked at; answers why not, if the build has gone too far. */
  requestCancel(input: {
    buildId: string;
    by: string;
    reason: string;
    superseded?: boolean;
    at: Date;
  }): Promise<
    | { readonly ok: true; readonly version: number }
    | { readonly ok: false; readonly why: CancelRefusal }
  >;

  /**
   * Notes that a build is about to move a tag. Answers false if a newer build (a higher number) has noted the same tag
   * before: then this build must leave the tag alone for good.
   */
  claimTag(input: ImageTag & { buildNumber: number }): Promise<boolean>;

  /** Notes whether a tag could be moved from one image to another. A tag that nothing is noted of is not proven. */
  noteTagMove(input: ImageTag & { proven: boolean }): Promise<void>;

  /**
   * Of these tags, those of which the record cannot tell whether they may move: claimed and not proven, or of a
   * repository that no build has published to. A tag that is new in a known repository has nothing to move from.
   */
  listUnprovenTags(tags: readonly ImageTag[]): Promise<ImageTag[]>;

  /** One publisher at a time per repository. Free, over, or already `owner`'s: taken until `until`. */
  lockRepository(input: { repository: string; lease: Lease; at: Date }): Promise<boolean>;
  unlockRepository(input: { repository: string; owner: string }): Promise<void>;
}

export type CancelRefusal = 'NotFound' | 'TooLate' | 'Ended';

/** The queue: it only says what to look at; it may lose, double or reorder everything. */
export interface StepQueue {
  /** Asks for `advance`. The version makes one message of many askers. */
  askAdvance(input: { buildId: string; version: number; delayMs?: number }): Promise<void>;
  addStep(step: { buildId: string; kind: WorkKind; name: string; attempt: number }): Promise<void>;
  /** Preflights and platform builds that nobody has taken yet. */
  countWaiting(): Promise<number>;
}

/** Live fan-out: tells whoever waits that a build's record or output has grown. May be lost. */
export interface BuildSignals {
  notify(buildId: string): Promise<void>;
}
