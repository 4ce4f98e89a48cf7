/**
 * One list and one watch for all objects with a label, kept in memory by name. It goes on until it is closed, whatever the
 * server does: list → watch → (ended, dropped, silent: watch again from the last version; 410: list again) → …
 * Bookmarks move the version on while nothing happens, so that a 410 is rare.
 */
import { z } from 'zod';
import { isExpired, type KubeClient, type KubeEvent, type Parse } from './kube-client.ts';
import { KubeFailure } from './kube-failure.ts';
import { backoffMs } from './kube-retry.ts';

export interface WatchOptions<T> {
  readonly client: KubeClient;
  readonly path: string;
  readonly labelSelector: string;
  /** What is kept of an object. One that it throws on is told to `onError`, and left out. */
  readonly parse: Parse<T>;
  /** Under which name an object is waited for; by itself, its own. A KubeJob's pods are waited for under the KubeJob's. */
  readonly ownerOf?: (object: T) => string | undefined;
  /** Told of each object that is there no more, as it was at last. */
  readonly onGone?: (object: T) => void;
  readonly onError: (error: unknown) => void;
}

export interface WatchedObjects<T> {
  /** Resolves once the first list is here. Rejects when it is closed before. */
  readonly ready: Promise<void>;
  get(name: string): T | undefined;
  all(): T[];
  /** Those under the owner's name. */
  ownedBy(owner: string): T[];
  /** Resolves with what `look` finds in the owner's objects, now or after a change of theirs. */
  waitFor<R>(
    owner: string,
    look: (objects: readonly T[]) => R | undefined,
    signal: AbortSignal,
  ): Promise<R>;
  /** Calls back after each change of the owner's objects, until the answer is called. */
  subscribe(owner: string, onChange: () => void): () => void;
  close(): void;
}

const retries = { firstWaitMs: 200, longestWaitMs: 10_000 };
const longestAskedMs = 30_000;
/** After so many the version itself may be at fault: a store that was restored has never come to it. */
const failuresOfVersion = 3;
/** A watch that lasts this long was no failure, whatever ended it. */
const steadyMs = 1_000;

const Listed = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string() }),
});

interface Entry<T> {
  readonly name: string;
  readonly version: string;
  readonly owner: string;
  readonly object: T;
}

export function watchObjects<T>(options: WatchOptions<T>): WatchedObjects<T> {
  const store = new ObjectStore<T>();
  const closed = new AbortController();
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  // Whoever waits hears of it; nobody has to.
  ready.catch(() => undefined);
  closed.signal.addEventListener('abort', () => reject(closed.signal.reason), { once: true });
  void keepWatching({ ...options, store, signal: closed.signal, onListed: resolve });
  return {
    ready,
    get: (name) => store.get(name),
    all: () => store.all(),
    ownedBy: (owner) => store.ownedBy(owner),
    subscribe: (owner, onChange) => store.subscribe(owner, onChange),
    waitFor: (owner, look, signal) =>
      waitFor(store, { owner, look, signal: AbortSignal.any([signal, closed.signal]) }),
    close: () => closed.abort(new Error(`the watch of ${options.path} is closed`)),
  };
}

type Watching<T> = WatchOptions<T> & {
  readonly store: ObjectStore<T>;
  readonly signal: AbortSignal;
  readonly onListed: () => void;
};

async function keepWatching<T>(watching: Watching<T>): Promise<void> {
  const { client, signal, onError } = watching;
  const { now, random, wait } = client.timing;
  let version: string | undefined;
  for (let failures = 0; !signal.aborted;) {
    const openedAt = now().getTime();
    let askedMs = 0;
    let broken = 0;
    try {
      if (version === undefined) {
        version = await listAll(watching);
        watching.onListed();
      }
      for await (const event of watchFrom(version, watching)) {
        version = applyEvent(event, watching) ?? version;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isExpired(error) || failures >= failuresOfVersion) version = undefined;
      if (!isExpired(error)) onError(error);
      askedMs = error instanceof KubeFailure ? (error.retryAfterMs ?? 0) : 0;
      broken = 1;
    }
    const lasted = now().getTime() - openedAt >= steadyMs;
    failures = lasted ? broken : failures + 1;
    if (failures === 0) continue;
    const waitMs = Math.min(askedMs, longestAskedMs) + backoffMs(failures, retries, random());
    await wait(waitMs, signal).catch(() => undefined);
  }
}

function watchFrom<T>(
  resourceVersion: string,
  { client, path, labelSelector, signal }: Watching<T>,
): AsyncGenerator<KubeEvent> {
  return client.watch(path, { labelSelector, resourceVersion, signal });
}

/** Replaces what is known by what is there, and answers the version of it. */
async function listAll<T>(watching: Watching<T>): Promise<string> {
  const { client, path, labelSelector, signal, store } = watching;
  const { items, resourceVersion } = await client.list(path, (item) => read(item, watching), {
    labelSelector,
    signal,
  });
  const listed = new Map(items.flatMap((item) => (item ? [[item.name, item] as const] : [])));
  for (const name of store.names()) if (!listed.has(name)) remove(name, store.get(name), watching);
  for (const entry of listed.values()) store.set(entry);
  return resourceVersion;
}

/** The version that the event moves us to. */
function applyEvent<T>({ type, object }: KubeEvent, watching: Watching<T>): string | undefined {
  if (type === 'BOOKMARK') return Bookmark.parse(object).metadata.resourceVersion;
  const entry = read(object, watching);
  if (!entry) return undefined;
  if (type === 'DELETED') remove(entry.name, entry.object, watching);
  else watching.store.set(entry);
  return entry.version;
}

function remove<T>(name: string, last: T | undefined, { store, onGone }: Watching<T>): void {
  if (last !== undefined) onGone?.(last);
  store.delete(name);
}

const Bookmark = z.object({ metadata: z.object({ resourceVersion: z.string() }) });

function read<T>(value: unknown, { parse, ownerOf, onError }: Watching<T>): Entry<T> | undefined {
  try {
    const { name, resourceVersion: version } = Listed.parse(value).metadata;
    const object = parse(value);
    return { name, version, object, owner: ownerOf?.(object) ?? name };
  } catch (error) {
    onError(error);
    return undefined;
  }
}

class ObjectStore<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #namesByOwner = new Map<string, Set<string>>();
  readonly #listeners = new Map<string, Set<() => void>>();

  get(name: string): T | undefined {
    return this.#entries.get(name)?.object;
  }

  all(): T[] {
    return [...this.#entries.values()].map(({ object }) => object);
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  ownedBy(owner: string): T[] {
    const names = [...(this.#namesByOwner.get(owner) ?? [])];
    return names.flatMap((name) => this.get(name) ?? []);
  }

  set(entry: Entry<T>): void {
    const { name, version, owner } = entry;
    const before = this.#entries.get(name);
    if (before?.version === version) return;
    if (before && before.owner !== owner) this.delete(name);
    this.#entries.set(name, entry);
    addTo(this.#namesByOwner, owner, name);
    this.#tell(owner);
  }

  delete(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#entries.delete(name);
    removeFrom(this.#namesByOwner, entry.owner, name);
    this.#tell(entry.owner);
  }

  subscribe(owner: string, onChange: () => void): () => void {
    addTo(this.#listeners, owner, onChange);
    return () => removeFrom(this.#listeners, owner, onChange);
  }

  #tell(owner: string): void {
    for (const onChange of this.#listeners.get(owner) ?? []) onChange();
  }
}

async function waitFor<T, R>(
  store: ObjectStore<T>,
  {
    owner,
    look,
    signal,
  }: {
    owner: string;
    look: (objects: readonly T[]) => R | undefined;
    signal: AbortSignal;
  },
): Promise<R> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const check = (): void => {
    try {
      const found = look(store.ownedBy(owner));
      if (found !== undefined) resolve(found);
    } catch (error) {
      reject(error);
    }
  };
  const onAbort = (): void => reject(signal.reason);
  const unsubscribe = store.subscribe(owner, check);
  signal.addEventListener('abort', onAbort, { once: true });
  check();
  return promise.finally(() => {
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
  });
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(value));
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
