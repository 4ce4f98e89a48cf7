import type { Credentials } from './http-credentials.ts';
import type { GitOperation } from './http-route.ts';
import type { ReceiveCommand } from './receive-commands.ts';

export interface AuthorizeRequest {
  appName: string;
  operation: GitOperation;
  /** `advertise`: GET info/refs, before anything is sent; `service`: the POST. Both are asked. */
  phase: 'advertise' | 'service';
  /** `undefined`: the client sent none. */
  credentials: Credentials | undefined;
}

/**
 * `status` and `message` are an HTTP answer, whose text git shows for the advertisement only. `error`
 * is said in git's protocol: `fatal: remote error: …` (exit 128) before the upload, and as a refusal
 * of each ref after it.
 */
export type Authorization<Context> =
  | {
      ok: true;
      appId: string;
      deployRefs: readonly string[];
      /** How many pushes its repository takes at once, this one included. */
      atOnce: number;
      /** The largest pack that this push may send. */
      maxInputBytes: number;
      /** Why a larger one is refused, for the pusher. */
      tooLarge: string;
      context: Context;
    }
  | { ok: false; status: 401 | 403 | 404; message: string }
  | { ok: false; error: string };

/** Refs without a reason of their own are refused with the others. */
export interface CommandsRefusal {
  reasons: ReadonlyMap<string, string>;
  lines: readonly string[];
}

/** The receiver's say over each request: who may do what (on every request), and which refs may move. */
export interface GitPolicy<Context> {
  authorize(request: AuthorizeRequest): Promise<Authorization<Context>>;
  /** Asked once the commands are read and before the pack is; `undefined`: go on. */
  checkCommands(push: {
    appId: string;
    context: Context;
    commands: readonly ReceiveCommand[];
    pushOptions: readonly string[];
  }): Promise<CommandsRefusal | undefined>;
}

export interface GitHttpLimits {
  /** From the request's head to the last of its commands. */
  commandListMs: number;
  /** Silence in the middle of a request's body. */
  uploadIdleMs: number;
  /** A connection on which neither side gets a byte across. Git itself says something every few seconds. */
  silentMs: number;
  /** Requests at once, all repositories together. */
  concurrentRequests: number;
  /** What is read of a refused push so that the client sees why; beyond it the connection is cut. */
  drainBytes: number;
  /** A fetch's request, unpacked. */
  fetchRequestBytes: number;
  /** How long git may take to end once its client has left. */
  endAfterAbortMs: number;
}

export const defaultGitHttpLimits: GitHttpLimits = {
  commandListMs: 10_000,
  uploadIdleMs: 60_000,
  silentMs: 10 * 60_000,
  concurrentRequests: 200,
  drainBytes: 4 * 1024 ** 3,
  fetchRequestBytes: 16 * 1024 ** 2,
  endAfterAbortMs: 10_000,
};
