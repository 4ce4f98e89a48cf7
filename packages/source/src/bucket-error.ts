/**
 * What is wrong with a bucket, in our own words. The client's errors go no further: an answer may repeat the request,
 * its session token included, and the client keeps all of it as fields of the error.
 */
import { z } from 'zod';

/**
 * `away`: it may work later, without anybody changing anything. `refused`: somebody has to change something. `missing`:
 * there is no such object.
 */
export type BucketTrouble = 'away' | 'refused' | 'full' | 'missing';

export class BucketError extends Error {
  override readonly name = 'BucketError';
  readonly trouble: BucketTrouble;

  constructor(trouble: BucketTrouble, message: string) {
    super(message);
    this.trouble = trouble;
  }
}

/** What the client and Node throw. The error code of an answer is the `name`. */
const ClientError = z.object({
  name: z.string().catch('Error'),
  message: z.string().catch(''),
  code: z.string().optional().catch(undefined),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional().catch(undefined),
});

/** Source of the codes: Amazon S3 API Reference, "Error responses"; a full disk has codes of MinIO's and Ceph's own. */
export function bucketErrorOf(error: unknown, bucket: string): BucketError {
  if (error instanceof BucketError) return error;
  const { name, message, code, $metadata: metadata } = ClientError.parse(error);
  const status = metadata?.httpStatusCode;
  if (name === 'CredentialsProviderError') {
    return new BucketError('refused', `there are no credentials for the bucket ${bucket}`);
  }
  if (status === undefined) {
    const why = code ?? (name === 'TimeoutError' ? 'it says nothing' : message);
    return new BucketError('away', `the bucket ${bucket} does not answer (${why})`);
  }
  if (status < 300) return unreadableAnswer(bucket);
  const answer = isCode(name) ? `(${status} ${name})` : `(${status})`;
  if (status === 507 || fullCodes.has(name)) {
    return new BucketError('full', `the bucket ${bucket} is full ${answer}`);
  }
  if (status === 429 || status >= 500 || temporaryCodes.has(name)) {
    return new BucketError('away', `the bucket ${bucket} does not answer ${answer}`);
  }
  if (missingCodes.has(name)) {
    return new BucketError('missing', `the bucket ${bucket} does not have it ${answer}`);
  }
  return new BucketError('refused', `${refusalOf({ status, name, bucket })} ${answer}`);
}

/** Of an answer that is none of S3's, such as a page of another server. */
export function unreadableAnswer(bucket: string): BucketError {
  return new BucketError('refused', `what answers for the bucket ${bucket} is not an S3 server`);
}

const fullCodes: ReadonlySet<string> = new Set(['QuotaExceeded', 'XMinioStorageFull']);
/** For the second the client sets its clock by the answer. */
const temporaryCodes: ReadonlySet<string> = new Set(['RequestTimeout', 'RequestTimeTooSkewed']);
/** The second is of an answer without a body. */
const missingCodes: ReadonlySet<string> = new Set(['NoSuchKey', 'NotFound']);

function isCode(name: string): boolean {
  return /^[A-Z][A-Za-z]{2,63}$/.test(name) && !['Error', 'Unknown', 'UnknownError'].includes(name);
}

function refusalOf({
  status,
  name,
  bucket,
}: {
  status: number;
  name: string;
  bucket: string;
}): string {
  if (status === 404) return `there is no bucket ${bucket}`;
  if (status === 401 || status === 403) return `access to the bucket ${bucket} is denied`;
  const isElsewhere = status === 301 || name === 'AuthorizationHeaderMalformed';
  if (isElsewhere) return `the bucket ${bucket} is in another region`;
  return `the bucket ${bucket} refuses the request`;
}
