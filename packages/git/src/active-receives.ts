import { randomBytes } from 'node:crypto';
import type { ReceiveCommand } from './receive-commands.ts';

/** One push that a transport has under way. Hooks are answered for such pushes only. */
export interface ActiveReceive<Context> {
  /** 128 random bits in hex; git's hooks carry it back to us in their environment. */
  readonly id: string;
  readonly appId: string;
  readonly repositoryPath: string;
  readonly context: Context;
  /** What the client asked for, as the transport read it. */
  readonly commands: readonly ReceiveCommand[];
  readonly pushOptions: readonly string[];
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
  /** Its refs may still move once git has ended: nothing that they need is tidied away. */
  leaveOpen(): void;
}

export interface ActiveReceiveHandle<Context> extends ActiveReceive<Context> {
  /** Cut off, or left open by the handler: whether its refs move is not known yet. */
  isOpen(): boolean;
  /** The client left: hooks of this push are cut off. */
  abort(reason: Error): void;
  /** git has ended: the repository is free for the next push. */
  end(): void;
}

type Asked<Context> = Omit<ActiveReceive<Context>, 'id' | 'signal' | 'leaveOpen'>;

export interface ActiveReceives<Context> {
  /**
   * Registers a push, one at a time per repository: `undefined` means that another one is under way.
   * A push whose client has left is waited for (it ends within `waitForAbortedMs`).
   */
  begin(receive: Asked<Context>): Promise<ActiveReceiveHandle<Context> | undefined>;
  find(id: string): ActiveReceive<Context> | undefined;
  /** For a stop of the service: every push under way is cut off. */
  abortAll(reason: Error): void;
}

interface Entry<Context> {
  handle: ActiveReceiveHandle<Context>;
  ended: Promise<void>;
}

/** The pushes under way, shared by the transports (which begin and end them) and the hook server. */
export function createActiveReceives<Context>({
  waitForAbortedMs = 15_000,
}: { waitForAbortedMs?: number } = {}): ActiveReceives<Context> {
  const byPath = new Map<string, Entry<Context>>();
  const byId = new Map<string, ActiveReceive<Context>>();

  function register(receive: Asked<Context>) {
    const id = randomBytes(16).toString('hex');
    const controller = new AbortController();
    const ended = Promise.withResolvers<void>();
    let leftOpen = false;
    const handle: ActiveReceiveHandle<Context> = {
      ...receive,
      id,
      signal: controller.signal,
      leaveOpen: () => {
        leftOpen = true;
      },
      isOpen: () => leftOpen || controller.signal.aborted,
      abort: (reason) => controller.abort(reason),
      end: () => {
        byId.delete(id);
        if (byPath.get(receive.repositoryPath)?.handle === handle) {
          byPath.delete(receive.repositoryPath);
        }
        ended.resolve();
      },
    };
    byId.set(id, handle);
    byPath.set(receive.repositoryPath, { handle, ended: ended.promise });
    return handle;
  }

  return {
    async begin(receive) {
      const current = byPath.get(receive.repositoryPath);
      if (current?.handle.signal.aborted) await endWithin(current.ended, waitForAbortedMs);
      return byPath.has(receive.repositoryPath) ? undefined : register(receive);
    },
    find: (id) => byId.get(id),
    abortAll(reason) {
      for (const { handle } of byPath.values()) handle.abort(reason);
    },
  };
}

async function endWithin(ended: Promise<void>, milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([ended, promise]);
  clearTimeout(timer);
}
