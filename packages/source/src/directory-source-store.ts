/**
 * Sources as files: `<directory>/<first two digits>/<sha256>.tar`. A put writes to `<directory>/incoming/` and renames
 * when all bytes are on the disk, so a source is there whole or not at all, whoever is killed.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { SourceRef } from '@hephy/core';
import { checkedStream } from './checked-stream.ts';
import { SourceAway, SourceDamaged, type SourceStore } from './source-store.ts';
import {
  diskFull,
  isDiskFull,
  readAtOnce,
  tooLarge,
  writeSource,
  type FileHandle,
} from './write-source.ts';

const sourceFile = /^([0-9a-f]{64})\.tar$/;

export function createDirectorySourceStore({ directory }: { directory: string }): SourceStore {
  const incoming = path.join(directory, 'incoming');
  const fileOf = (sha256: string): string =>
    path.join(directory, sha256.slice(0, 2), `${sha256}.tar`);

  return {
    async put(stream, options) {
      const temporary = path.join(incoming, randomUUID());
      const reading = readAtOnce(stream, options.signal);
      try {
        await mkdir(incoming, { recursive: true, mode: 0o700 });
        const source = await writeTo(temporary, (file) => writeSource(file, reading, options));
        if (!source) return tooLarge(options.maxBytes);
        await moveInto(fileOf(source.sha256), temporary);
        return { ok: true, source };
      } catch (error) {
        if (isDiskFull(error)) return diskFull(directory);
        throw error;
      } finally {
        reading.stop();
        await rm(temporary, { force: true });
      }
    },

    open: (source) => openChecked(fileOf(source.sha256), source),

    async remove(sha256) {
      await rm(fileOf(sha256), { force: true });
    },

    async sweep({ keep, olderThan }) {
      let removed = 0;
      for (const file of await listFiles(directory)) {
        const sha256 = sourceFile.exec(path.basename(file))?.[1];
        const swept = sha256 === undefined ? path.dirname(file) === incoming : !keep.has(sha256);
        if (swept && (await removeOld(file, { olderThan, incoming }))) removed += 1;
      }
      return { removed };
    },
  };
}

async function writeTo<T>(file: string, write: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, 'wx', 0o600);
  try {
    const written = await write(handle);
    await handle.sync();
    return written;
  } finally {
    await handle.close();
  }
}

async function moveInto(target: string, temporary: string): Promise<void> {
  const folder = path.dirname(target);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rename(temporary, target);
  for (const changed of [folder, path.dirname(folder)]) {
    const handle = await open(changed, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function openChecked(file: string, source: SourceRef): Readable {
  const checked = checkedStream(source);
  const bytes = createReadStream(file);
  bytes.once('error', (cause) => {
    const Unread = isMissing(cause) ? SourceDamaged : SourceAway;
    checked.destroy(new Unread(`source ${source.sha256} cannot be read`, { cause }));
  });
  checked.once('close', () => bytes.destroy());
  return bytes.pipe(checked);
}

async function listFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true }).catch(
    (error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    },
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}

/** Moves the file away before it looks at its age again: a put of the same bytes may just have replaced it. */
async function removeOld(
  file: string,
  { olderThan, incoming }: { olderThan: Date; incoming: string },
): Promise<boolean> {
  try {
    if ((await stat(file)).mtime >= olderThan) return false;
    const aside = path.join(incoming, randomUUID());
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    await rename(file, aside);
    if ((await stat(aside)).mtime >= olderThan) {
      await rename(aside, file);
      return false;
    }
    await rm(aside, { force: true });
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
