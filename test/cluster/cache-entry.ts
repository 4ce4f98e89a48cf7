import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { clusterCache } from './layout.ts';
import { withLock } from './lock.ts';

const unusedDays = 30;

/** Answers the folder `KIND-KEY` of the cache. Where it is missing, `make` fills it, once, whoever else asks meanwhile;
 *  it is there as a whole or not at all. Folders of its kind that nobody asked for in a month go. */
export async function cacheEntry(
  { kind, key }: { kind: string; key: string },
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = clusterCache();
  const entry = join(cache, `${kind}-${key}`);
  await mkdir(cache, { recursive: true });
  await withLock(join(cache, `${kind}.lock`), async () => {
    if (existsSync(entry)) return;
    const work = await mkdtemp(join(cache, `making-${kind}-`));
    try {
      await make(work);
      await rename(work, entry);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    await removeUnused((name) => name.startsWith(`${kind}-`) || name.startsWith(`making-${kind}-`));
  });
  await markAsUsed(entry);
  return entry;
}

export async function markAsUsed(entry: string): Promise<void> {
  const now = new Date();
  await utimes(entry, now, now);
}

export async function removeUnused(isOfKind: (name: string) => boolean): Promise<void> {
  const cache = clusterCache();
  const oldest = Date.now() - unusedDays * 24 * 60 * 60_000;
  for (const name of (await readdir(cache)).filter(isOfKind)) {
    const entry = join(cache, name);
    const found = await stat(entry).catch(() => undefined);
    if (found && found.mtimeMs < oldest) await rm(entry, { recursive: true, force: true });
  }
}
