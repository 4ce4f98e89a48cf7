import { randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { failureOf, type SourceRef } from '@hephy/core';
import { BucketError, bucketErrorOf, unreadableAnswer } from './bucket-error.ts';
import { objectOf, type Bucket } from './open-bucket.ts';
import type { PutResult, SourceStore } from './source-store.ts';
import {
  diskFull,
  isDiskFull,
  readAtOnce,
  tooLarge,
  writeSource,
  type FileHandle,
} from './write-source.ts';

export interface PutDeps {
  readonly bucket: Bucket;
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Hears why a bucket took no source: the pusher is told, and so should the operator be. */
  readonly onError: (error: unknown) => void;
}

/**
 * Writes to a file without a name first, because an object's name, its length and its checksum have to be known before
 * its first byte; then the object is there whole or not at all, and whoever is killed leaves nothing.
 */
export async function putObject(
  stream: AsyncIterable<Uint8Array>,
  { maxBytes, signal }: Parameters<SourceStore['put']>[1],
  deps: PutDeps,
): Promise<PutResult> {
  const { bucket: name, spoolDirectory } = deps.bucket.place;
  const reading = readAtOnce(stream, signal);
  let file: FileHandle | undefined;
  try {
    file = await openNameless(spoolDirectory);
    const source = await writeSource(file, reading, { maxBytes });
    if (!source) return tooLarge(maxBytes);
    await upload({ file, source, signal }, deps);
    return { ok: true, source };
  } catch (error) {
    signal.throwIfAborted();
    if (isDiskFull(error)) return diskFull(spoolDirectory);
    if (!(error instanceof BucketError)) throw error;
    deps.onError(error);
    return error.trouble === 'full' ? diskFull(`the bucket ${name}`) : notStored(error);
  } finally {
    reading.stop();
    await file?.close();
  }
}

function notStored({ trouble, message }: BucketError): PutResult {
  const next = trouble === 'away' ? 'push again later' : 'its operator has to change that';
  return { ok: false, failure: failureOf('SourceNotStored', { detail: `${message}; ${next}` }) };
}

async function openNameless(directory: string): Promise<FileHandle> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const name = path.join(directory, randomUUID());
  const file = await open(name, 'wx+', 0o600);
  await rm(name);
  return file;
}

interface Upload {
  readonly file: FileHandle;
  readonly source: SourceRef;
  readonly signal: AbortSignal;
}

/** The client tries again by itself, but for a request with a stream in it, which it cannot start over. */
function upload({ file, source, signal }: Upload, { bucket, wait }: PutDeps): Promise<void> {
  const { limits, place } = bucket;
  const timeoutMs = Math.ceil(limits.requestMs + source.sizeBytes / limits.bytesPerMs);
  const tryUntilDone = async (bound: AbortSignal): Promise<void> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await uploadOnce({ file, source, signal: bound }, bucket);
      } catch (error) {
        const { trouble } = bucketErrorOf(error, place.bucket);
        if (bound.aborted || tries === limits.tries || trouble !== 'away') throw error;
        await wait(100 * 2 ** tries, bound);
      }
    }
  };
  return bucket.ask(tryUntilDone, { signal, timeoutMs });
}

async function uploadOnce({ file, source, signal }: Upload, bucket: Bucket): Promise<void> {
  const { client, place } = bucket;
  const body = Readable.from(readAll(file), { objectMode: false });
  const unread = new AbortController();
  // The client does not listen to it.
  body.once('error', ({ message }) => {
    unread.abort(new BucketError('refused', `${place.spoolDirectory} cannot be read: ${message}`));
  });
  try {
    const command = new PutObjectCommand({
      ...objectOf(place, source.sha256),
      Body: body,
      ContentLength: source.sizeBytes,
      ContentType: 'application/x-tar',
      ChecksumSHA256: Buffer.from(source.sha256, 'hex').toString('base64'),
    });
    const abortSignal = AbortSignal.any([signal, unread.signal]);
    const { ETag: tag } = await client.send(command, { abortSignal });
    if (tag === undefined) throw unreadableAnswer(place.bucket);
  } catch (error) {
    unread.signal.throwIfAborted();
    throw error;
  } finally {
    body.destroy();
  }
}

const pieceBytes = 256 * 1024;

/** Unlike a stream of the handle's own, it leaves the handle open, whatever its reader does. */
async function* readAll(file: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ;) {
    const piece = Buffer.allocUnsafe(pieceBytes);
    const { bytesRead } = await file.read(piece, 0, pieceBytes, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
