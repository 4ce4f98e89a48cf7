import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
} from '@aws-sdk/client-s3';
import { BucketError, unreadableAnswer } from './bucket-error.ts';
import { objectOf, type Bucket } from './open-bucket.ts';
import type { SourceStore } from './source-store.ts';

/** A sweep looks at one page of names, 1000 at most; the next one goes on behind it, and then begins again. */
export function createSweep(bucket: Bucket): SourceStore['sweep'] {
  const { prefix } = bucket.place;
  let after: string | undefined;
  return async ({ keep, olderThan }) => {
    const page = await listObjects(bucket, { StartAfter: after });
    const late = AbortSignal.timeout(bucket.limits.sweepMs);
    let removed = 0;
    for (const { Key: key = '', LastModified: at } of page.Contents ?? []) {
      if (late.aborted) return { removed };
      const sha256 = /^([0-9a-f]{64})\.tar$/.exec(key.slice(prefix.length))?.[1];
      const isOld = at !== undefined && at < olderThan;
      if (sha256 !== undefined && isOld && !keep.has(sha256)) {
        if (await removeOld(bucket, { sha256, olderThan })) removed += 1;
      }
      after = key;
    }
    if (!page.IsTruncated) after = undefined;
    return { removed };
  };
}

/** One page of the names below the prefix. */
export async function listObjects(
  { client, place: { bucket, prefix }, limits, ask }: Bucket,
  input: Pick<ListObjectsV2CommandInput, 'StartAfter' | 'MaxKeys'>,
  timeoutMs = limits.requestMs,
): Promise<ListObjectsV2CommandOutput> {
  const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...input });
  const page = await ask((abortSignal) => client.send(command, { abortSignal }), { timeoutMs });
  // XML of another kind is read as a page without anything.
  if (page.Name === undefined) throw unreadableAnswer(bucket);
  return page;
}

/** Looks again right before the removal: a put of the same bytes may have come since the page was made. */
async function removeOld(
  bucket: Bucket,
  { sha256, olderThan }: { sha256: string; olderThan: Date },
): Promise<boolean> {
  const { client, place, ask } = bucket;
  const head = new HeadObjectCommand(objectOf(place, sha256));
  try {
    const { LastModified: at } = await ask((abortSignal) => client.send(head, { abortSignal }));
    if (at === undefined || at >= olderThan) return false;
    await removeObject(bucket, sha256);
    return true;
  } catch (error) {
    if (error instanceof BucketError && error.trouble === 'missing') return false;
    throw error;
  }
}

export async function removeObject({ client, place, ask }: Bucket, sha256: string): Promise<void> {
  const command = new DeleteObjectCommand(objectOf(place, sha256));
  await ask((abortSignal) => client.send(command, { abortSignal }));
}
