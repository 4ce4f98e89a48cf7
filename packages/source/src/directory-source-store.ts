/**
 * Sources as files: `<directory>/<first two digits>/<sha256>.tar`. A put writes to `<directory>/incoming/` and renames
 * when all bytes are on the disk, so a source is there whole or not at all, whoever is killed.
 */
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { failureOf, type SourceRef } from '@hephy/core';
import { checkedStream } from './checked-stream.ts';
import { SourceDamaged, type PutResult, type SourceStore } from './source-store.ts';

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
        const source = await writeSource({ ...options, chunks: reading.chunks(), file: temporary });
        if (!source) return tooLarge(options.maxBytes);
        await moveInto(fileOf(source.sha256), temporary);
        return { ok: true, source };
      } catch (error) {
        if (isFull(error))
          return { ok: false, failure: failureOf('DiskFull', { detail: directory }) };
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

/** Answers nothing if there are more than `maxBytes`. */
async function writeSource({
  chunks,
  file,
  maxBytes,
}: {
  chunks: AsyncIterable<Uint8Array>;
  file: string;
  maxBytes: number;
}): Promise<SourceRef | undefined> {
  const handle = await open(file, 'wx', 0o600);
  try {
    const hash: Hash = createHash('sha256');
    let sizeBytes = 0;
    for await (const bytes of inBatches(chunks)) {
      sizeBytes += bytes.length;
      if (sizeBytes > maxBytes) return undefined;
      hash.update(bytes);
      await writeAll(handle, bytes);
    }
    await handle.sync();
    return { sha256: hash.digest('hex'), sizeBytes };
  } finally {
    await handle.close();
  }
}

const batchBytes = 1024 ** 2;

/** The same bytes in larger pieces: git hands out little at a time, and each write is a trip to another thread and back. */
async function* inBatches(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let batch: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const bytes of chunks) {
    batch.push(bytes);
    sizeBytes += bytes.length;
    if (sizeBytes < batchBytes) continue;
    yield Buffer.concat(batch);
    batch = [];
    sizeBytes = 0;
  }
  if (sizeBytes > 0) yield Buffer.concat(batch);
}

type FileHandle = Awaited<ReturnType<typeof open>>;

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

/**
 * Asks for the first chunk before it returns: what a child process wrote is thrown away by Node if nobody reads when the
 * child exits. Ends the wait for a chunk that never comes when the signal aborts.
 */
function readAtOnce(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): { chunks(): AsyncGenerator<Uint8Array>; stop(): void } {
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => undefined);
  let endWait: ((reason: unknown) => void) | undefined;
  const onAbort = (): void => endWait?.(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    async *chunks() {
      for (let coming = first; ; coming = iterator.next()) {
        // One promise for each wait: one for all of them would keep every chunk that it has raced with.
        const aborted = Promise.withResolvers<never>();
        endWait = aborted.reject;
        if (signal.aborted) onAbort();
        const next = await Promise.race([aborted.promise, coming]);
        if (next.done) return;
        yield next.value;
      }
    },
    stop() {
      signal.removeEventListener('abort', onAbort);
      // Not awaited: a producer that hangs would hang us, and this is where it is told to stop.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
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
  const bytes = createReadStream(file, { highWaterMark: 256 * 1024 });
  bytes.once('error', (cause) => {
    checked.destroy(new SourceDamaged(`source ${source.sha256} cannot be read`, { cause }));
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

function tooLarge(maxBytes: number): PutResult {
  const detail = `the limit is ${maxBytes} bytes`;
  return { ok: false, failure: failureOf('SourceTooLarge', { detail }) };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function isFull(error: unknown): boolean {
  return codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT';
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}
