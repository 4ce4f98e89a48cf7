import type { Readable } from 'node:stream';
import { S3Client } from '@aws-sdk/client-s3';
import { bucketErrorOf } from './bucket-error.ts';

export interface S3Place {
  readonly bucket: string;
  /** Before each object's name, such as `sources/`; may be empty. */
  readonly prefix: string;
  readonly region: string;
  /** Of a server that is not AWS. The bucket is in the path then, and not in the host's name. */
  readonly endpoint?: string;
  /** Left out: whatever the machine or its service account has, found as AWS's own programs find it. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly spoolDirectory: string;
}

export interface S3Limits {
  /** For each request. */
  readonly tries: number;
  readonly connectMs: number;
  /** For a server that says nothing. */
  readonly idleMs: number;
  /** For a request with all of its tries; an upload has to carry `bytesPerMs` beyond that. */
  readonly requestMs: number;
  readonly bytesPerMs: number;
  /** For a look whether the bucket answers. */
  readonly checkMs: number;
  /** After which a sweep leaves the rest to the next. */
  readonly sweepMs: number;
}

export const defaultLimits: S3Limits = {
  tries: 3,
  connectMs: 5000,
  idleMs: 20_000,
  requestMs: 60_000,
  bytesPerMs: 1024,
  checkMs: 5000,
  sweepMs: 30_000,
};

export interface Bucket {
  readonly client: S3Client;
  readonly place: S3Place;
  readonly limits: S3Limits;
  /**
   * Carries a request out, within `requestMs` unless another time is given; what streams after its answer has more, and
   * hears `signal` alone. Rejects with a `BucketError`, or with the signal's reason.
   */
  readonly ask: <Answer>(
    request: (signal: AbortSignal) => Promise<Answer>,
    options?: { readonly signal?: AbortSignal; readonly timeoutMs?: number },
  ) => Promise<Answer>;
}

export function openBucket(place: S3Place, limits: S3Limits): Bucket {
  const client = createClient(place, limits);
  return {
    client,
    place,
    limits,
    async ask(request, { signal, timeoutMs = limits.requestMs } = {}) {
      const late = new AbortController();
      const timer = setTimeout(() => {
        late.abort(new Error(`not within ${Math.round(timeoutMs / 100) / 10} s`));
      }, timeoutMs);
      const bound = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
      try {
        return await before(bound, request(bound));
      } catch (error) {
        signal?.throwIfAborted();
        throw bucketErrorOf(late.signal.reason ?? error, place.bucket);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

export function objectOf(
  { bucket, prefix }: S3Place,
  sha256: string,
): { Bucket: string; Key: string } {
  return { Bucket: bucket, Key: `${prefix}${sha256}.tar` };
}

/** The client does not hear a signal while it looks for credentials: then it is left behind. */
async function before<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([aborted.promise, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

const maxSockets = 256;
const ignore = (): void => undefined;

function createClient(
  { region, endpoint, credentials }: S3Place,
  { tries, connectMs, idleMs }: S3Limits,
): S3Client {
  return new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(credentials && { credentials: { ...credentials } }),
    maxAttempts: tries,
    // It would print warnings, such as of a request that it does not try again.
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    requestHandler: {
      connectionTimeout: connectMs,
      socketTimeout: idleMs,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
    },
    streamCollector: collectAnswer,
    // Not all servers know AWS's newer checksums; we send the sha256, and check it ourselves.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
}

/** Of an answer that is no source. A list of 1000 names has 2 MB at most. */
const maxAnswerBytes = 8 * 1024 ** 2;

/** The client's own would keep all of an answer that does not end. */
async function collectAnswer(answer: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxAnswerBytes) throw new Error('an answer without an end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
