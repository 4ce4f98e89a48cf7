import type { Quarantine } from './objects.ts';
import type { ReceiveCommand } from './receive-commands.ts';

export interface PreReceivePush<Context> {
  appId: string;
  context: Context;
  /** What git still means to do (it has left out what it refused by itself). */
  commands: readonly ReceiveCommand[];
  pushOptions: readonly string[];
  /** `undefined` when the push brought no objects (deletions only). */
  quarantine: Quarantine | undefined;
  signal: AbortSignal;
}

/** A refusal leaves nothing of the push; `lines` and `notes` are shown as `remote: …`. */
export type PreReceiveAnswer =
  { accept: true; notes?: readonly string[] } | { accept: false; lines: readonly string[] };

export interface ProcReceivePush<Context> {
  appId: string;
  context: Context;
  /** Those to deploy refs only. */
  commands: readonly ReceiveCommand[];
  pushOptions: readonly string[];
  /** Shows one line (`remote: …`) at once; resolves when the client's side takes more. Never rejects. */
  write: (line: string) => Promise<void>;
  /** Aborts when the client leaves. */
  signal: AbortSignal;
}

/**
 * `oldSha`: the ref was moved from there, and not from where the push believed it. `reason` appears as
 * `! [remote rejected] main -> main (reason)`; at most 300 characters. `later`: the ref may still move, and the client only
 * cannot wait for it.
 */
export type RefAnswer =
  | { ref: string; ok: true; oldSha?: string }
  | { ref: string; ok: false; reason: string; later?: boolean };

export interface HookHandlers<Context> {
  preReceive(push: PreReceivePush<Context>): Promise<PreReceiveAnswer>;
  /** Does what git would have done with these refs: it moves them itself. */
  procReceive(push: ProcReceivePush<Context>): Promise<readonly RefAnswer[]>;
}
