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
  /** Whether the repository has no other push under way. */
  isAlone(): boolean;
  /** The same for all pushes of the repository that are under way. */
  readonly shallow: SharedRoots;
  /** Runs `action` while no other push of the repository runs one. */
  exclusively(action: () => Promise<void>): Promise<void>;
  /** Cut off, or left open by the handler: whether its refs move is not known yet. */
  isOpen(): boolean;
  /** The client left: hooks of this push are cut off. */
  abort(reason: Error): void;
  /** git has ended: the repository has room for the next push. */
  end(): void;
}

/** Where histories may end that pushes under way have brought (see shallow.ts). */
export interface SharedRoots {
  readonly added: Set<string>;
  /** One of these pushes has left its ref open: it may still need them. */
  stay: boolean;
}

type Asked<Context> = Omit<ActiveReceive<Context>, 'id' | 'signal' | 'leaveOpen'>;

export interface ActiveReceives<Context> {
  /**
   * Registers a push, unless its repository has `atOnce` of them under way.
   * A push whose client has left is waited for (it ends within `waitForAbortedMs`).
   */
  begin(
    receive: Asked<Context>,
    limit: { atOnce: number },
  ): Promise<ActiveReceiveHandle<Context> | undefined>;
  find(id: string): ActiveReceive<Context> | undefined;
  /** For a stop of the service: every push under way is cut off. */
  abortAll(reason: Error): void;
}

interface Entry<Context> {
  handle: ActiveReceiveHandle<Context>;
  ended: Promise<void>;
}

/** What one repository has under way. */
interface Repository<Context> {
  readonly entries: Set<Entry<Context>>;
  readonly shallow: SharedRoots;
  /** The last of the actions that exclude each other; it never rejects. */
  lastAction: Promise<void>;
}

/** The pushes under way, shared by the transports (which begin and end them) and the hook server. */
export function createActiveReceives<Context>({
  waitForAbortedMs = 15_000,
}: { waitForAbortedMs?: number } = {}): ActiveReceives<Context> {
  const byPath = new Map<string, Repository<Context>>();
  const byId = new Map<string, ActiveReceive<Context>>();

  function register(receive: Asked<Context>) {
    const { repositoryPath: path } = receive;
    const repository: Repository<Context> = byPath.get(path) ?? {
      entries: new Set(),
      shallow: { added: new Set(), stay: false },
      lastAction: Promise.resolve(),
    };
    byPath.set(path, repository);
    const ended = Promise.withResolvers<void>();
    const handle = createHandle(receive, {
      shallow: repository.shallow,
      isAlone: () => repository.entries.size === 1,
      exclusively(action) {
        const acted = repository.lastAction.then(action);
        repository.lastAction = acted.catch(() => undefined);
        return acted;
      },
      end() {
        byId.delete(handle.id);
        repository.entries.delete(entry);
        if (repository.entries.size === 0) byPath.delete(path);
        ended.resolve();
      },
    });
    const entry = { handle, ended: ended.promise };
    repository.entries.add(entry);
    byId.set(handle.id, handle);
    return handle;
  }

  const underWay = (path: string): Entry<Context>[] => [...(byPath.get(path)?.entries ?? [])];

  return {
    async begin(receive, { atOnce }) {
      const current = underWay(receive.repositoryPath);
      const leaving = current.filter(({ handle }) => handle.signal.aborted);
      if (current.length >= atOnce && leaving.length > 0) {
        await oneEndsWithin(leaving, waitForAbortedMs);
      }
      return underWay(receive.repositoryPath).length < atOnce ? register(receive) : undefined;
    },
    find: (id) => byId.get(id),
    abortAll(reason) {
      for (const path of byPath.keys()) {
        for (const { handle } of underWay(path)) handle.abort(reason);
      }
    },
  };
}

type OfRepository = Pick<
  ActiveReceiveHandle<unknown>,
  'isAlone' | 'shallow' | 'exclusively' | 'end'
>;

function createHandle<Context>(
  receive: Asked<Context>,
  ofRepository: OfRepository,
): ActiveReceiveHandle<Context> {
  const controller = new AbortController();
  let leftOpen = false;
  return {
    ...receive,
    ...ofRepository,
    id: randomBytes(16).toString('hex'),
    signal: controller.signal,
    leaveOpen: () => {
      leftOpen = true;
    },
    isOpen: () => leftOpen || controller.signal.aborted,
    abort: (reason) => controller.abort(reason),
  };
}

async function oneEndsWithin(
  entries: readonly Entry<unknown>[],
  milliseconds: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([promise, ...entries.map(({ ended }) => ended)]);
  clearTimeout(timer);
}
