/** Sources as objects: `<prefix><sha256>.tar` in one bucket. */
import { Readable, finished } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { SourceRef } from '@hephy/core';
import { bucketErrorOf, unreadableAnswer } from './bucket-error.ts';
import { checkedStream } from './checked-stream.ts';
import { defaultLimits, objectOf, openBucket } from './open-bucket.ts';
import type { Bucket, S3Limits, S3Place } from './open-bucket.ts';
import { putObject, type PutDeps } from './put-object.ts';
import { SourceAway, SourceDamaged, type SourceStore } from './source-store.ts';
import { createSweep, listObjects, removeObject } from './sweep-bucket.ts';

export interface S3Deps extends Omit<PutDeps, 'bucket'> {
  readonly limits?: Partial<S3Limits>;
}

export interface S3SourceStore extends SourceStore {
  /** Rejects unless the bucket answers and may be listed, with a sentence for the operator. */
  check(): Promise<void>;
  close(): void;
}

export function createS3SourceStore(place: S3Place, deps: S3Deps): S3SourceStore {
  const bucket = openBucket(place, { ...defaultLimits, ...deps.limits });
  return {
    put: (stream, options) => putObject(stream, options, { ...deps, bucket }),
    open: (source) => openChecked(bucket, source),
    remove: (sha256) => removeObject(bucket, sha256),
    sweep: createSweep(bucket),
    async check() {
      await listObjects(bucket, { MaxKeys: 1 }, bucket.limits.checkMs);
    },
    close: () => bucket.client.destroy(),
  };
}

function openChecked(bucket: Bucket, source: SourceRef): Readable {
  const checked = checkedStream(source);
  const left = new AbortController();
  checked.once('close', () => left.abort());
  const fail = (error: unknown): void => {
    const { trouble, message } = bucketErrorOf(error, bucket.place.bucket);
    const Unread = trouble === 'missing' ? SourceDamaged : SourceAway;
    checked.destroy(new Unread(`source ${source.sha256} cannot be read: ${message}`));
  };
  const begin = async (): Promise<void> => {
    const body = await download(bucket, source, left.signal);
    finished(body, (error) => error && fail(error));
    body.pipe(checked);
  };
  begin().catch(fail);
  return checked;
}

async function download(
  { client, place, ask }: Bucket,
  source: SourceRef,
  signal: AbortSignal,
): Promise<Readable> {
  const command = new GetObjectCommand(objectOf(place, source.sha256));
  const { Body: body } = await ask((abortSignal) => client.send(command, { abortSignal }), {
    signal,
  });
  if (!(body instanceof Readable)) throw unreadableAnswer(place.bucket);
  return body;
}
