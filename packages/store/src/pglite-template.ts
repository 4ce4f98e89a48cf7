/**
 * An empty PGlite, kept as a file: making one anew runs initdb, which takes seconds; unpacking one does not. The file is a
 * cache. It may vanish, and one that does not unpack is made anew.
 */
import { openAsBlob } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';

/** Opens a PGlite that does not exist yet, from the template in `cacheDirectory`; the first one there makes it. */
export async function createPgliteFromTemplate(
  options: PGliteOptions,
  cacheDirectory: string,
): Promise<PGlite> {
  const file = join(cacheDirectory, `pglite-${await pgliteVersion()}.tar`);
  const template = await openTemplate(file);
  if (template) {
    try {
      return await PGlite.create({ ...options, loadDataDir: template });
    } catch {
      // Cut off by a full disk, say. What is half unpacked goes too.
      await rm(file, { force: true });
      if (options.dataDir) await rm(options.dataDir, { recursive: true, force: true });
    }
  }
  const pglite = await PGlite.create(options);
  await saveTemplate(pglite, file);
  return pglite;
}

/** Makes the template if it is not there. */
export async function preparePglite(cacheDirectory: string): Promise<void> {
  const pglite = await createPgliteFromTemplate({}, cacheDirectory);
  await pglite.close();
}

async function openTemplate(file: string): Promise<Blob | undefined> {
  try {
    return await openAsBlob(file);
  } catch {
    return undefined;
  }
}

async function saveTemplate(pglite: PGlite, file: string): Promise<void> {
  const dump = await pglite.dumpDataDir('none');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const incoming = `${file}.${randomUUID()}`;
  try {
    await writeFile(incoming, dump.stream(), { mode: 0o600 });
    await rename(incoming, file);
  } finally {
    await rm(incoming, { force: true });
  }
}

/** A template of another version may not unpack into this one. */
async function pgliteVersion(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const manifest = await readFile(join(dirname(entry), '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
