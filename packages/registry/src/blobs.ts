import type { Readable } from 'node:stream';
import { digestProblem, repositoryProblem } from '@hephy/oci';
import type { Descriptor } from '@hephy/oci';
import { digestOf } from './digest.ts';
import { exchange, locationOf } from './exchange.ts';
import { redactUrl, RegistryFailure } from './failure.ts';
import type { HttpAnswer } from './http.ts';
import { withRetries } from './retry.ts';
import type { CallOptions, Session } from './session.ts';
import { call, pullScope, pushScope, repositoryUrl } from './session.ts';

export interface BlobToUpload {
  readonly repository: string;
  readonly digest: string;
  readonly sizeBytes: number;
  /** The bytes, or what opens them; a stream is opened anew for each try. */
  readonly content: Uint8Array | (() => Readable);
  /** A repository of the same registry that has the blob: then nothing is sent, if the registry agrees. */
  readonly mountFrom?: string;
}

export async function blobExists(
  { repository, digest }: { repository: string; digest: string },
  session: Session,
  { signal }: CallOptions,
): Promise<boolean> {
  const asked = {
    method: 'HEAD' as const,
    url: blobUrl(session.registry, repository, digest),
    scopes: [pullScope(repository)],
    expect: [200, 404],
    signal,
  };
  return call(asked, session, async (answer) => {
    await answer.drain();
    return answer.status === 200;
  });
}

/** Reads a small blob, such as a config, and proves it: size and sha256 are the descriptor's.
 *  Refuses a descriptor of more than the limit for manifests. Undefined if the blob is not there. */
export async function getBlob(
  { repository, descriptor }: { repository: string; descriptor: Descriptor },
  session: Session,
  { signal }: CallOptions,
): Promise<Uint8Array | undefined> {
  const asked = {
    method: 'GET' as const,
    url: blobUrl(session.registry, repository, descriptor.digest),
    scopes: [pullScope(repository)],
    expect: [200, 404],
    signal,
  };
  const fail = (reason: 'DigestMismatch' | 'ManifestTooLarge', what: string) =>
    new RegistryFailure(`${asked.url.host}: blob ${descriptor.digest} of ${repository} ${what}`, {
      reason,
      temporary: false,
      method: asked.method,
      url: redactUrl(asked.url),
    });
  const { manifestReadBytes } = session.limits;
  if (descriptor.size > manifestReadBytes) {
    throw fail(
      'ManifestTooLarge',
      `has ${descriptor.size} bytes; at most ${manifestReadBytes} are read`,
    );
  }
  return call(asked, session, async (answer) => {
    if (answer.status === 404) {
      await answer.drain();
      return undefined;
    }
    const bytes = await answer.read(manifestReadBytes);
    if (bytes.length !== descriptor.size || digestOf(bytes) !== descriptor.digest) {
      throw fail('DigestMismatch', `came as ${bytes.length} bytes of ${digestOf(bytes)}`);
    }
    return bytes;
  });
}

/** Stores a blob unless it is there: mounts it if it may, else sends it whole. A try that fails half-way
 *  begins a new upload. Source: OCI distribution-spec v1.1, "Pushing blobs". */
export async function uploadBlob(
  blob: BlobToUpload,
  session: Session,
  options: CallOptions,
): Promise<{ uploaded: boolean }> {
  if (await blobExists(blob, session, options)) return { uploaded: false };
  const attempt = async () => {
    try {
      return await uploadOnce(blob, session, options);
    } catch (error) {
      throw restartable(error);
    }
  };
  return withRetries(attempt, session, options.signal);
}

async function uploadOnce(
  blob: BlobToUpload,
  session: Session,
  { signal }: CallOptions,
): Promise<{ uploaded: boolean }> {
  const { repository, digest, sizeBytes, content } = blob;
  const opened = await openUpload(blob, session, { signal });
  await opened.drain();
  if (opened.status === 201) return { uploaded: false };
  const location = locationOf(opened, session.registry);
  if (!location) {
    throw new RegistryFailure(`${opened.url.host} names no place to upload to that we may use`, {
      reason: 'RegistryUnavailable',
      temporary: false,
      method: opened.method,
      url: redactUrl(opened.url),
    });
  }
  // By hand: what the registry wrote into the query must come back byte for byte.
  location.search += `${location.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
  const answer = await exchange(
    {
      method: 'PUT',
      url: location,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(sizeBytes),
      },
      body: content,
      scopes: uploadScopes(repository),
      expect: [201, 204],
      signal,
    },
    session,
  );
  await answer.drain();
  return { uploaded: true };
}

async function openUpload(
  { repository, digest, mountFrom }: BlobToUpload,
  session: Session,
  { signal }: CallOptions,
): Promise<HttpAnswer> {
  const asked = {
    method: 'POST' as const,
    url: repositoryUrl(session.registry, repository, 'blobs/uploads/'),
    headers: { 'content-length': '0' },
    scopes: uploadScopes(repository),
    expect: [202],
    signal,
  };
  if (mountFrom === undefined) return exchange(asked, session);
  const url = new URL(`?mount=${digest}&from=${encodeURIComponent(mountFrom)}`, asked.url);
  const scopes = uploadScopes(repository, mountFrom);
  try {
    return await exchange({ ...asked, url, scopes, expect: [201, 202] }, session);
  } catch (error) {
    // A registry that can't mount says so in many ways; sending the bytes works with all of them.
    if (!(error instanceof RegistryFailure)) throw error;
    return exchange(asked, session);
  }
}

function uploadScopes(repository: string, mountFrom?: string): string[] {
  return [pushScope(repository), ...(mountFrom === undefined ? [] : [pullScope(mountFrom)])];
}

/** A registry that lost an upload says it with a permanent status; a new upload mends it. */
function restartable(error: unknown): unknown {
  if (!(error instanceof RegistryFailure) || error.temporary) return error;
  const isLost = error.codes.some((code) => /^BLOB_UPLOAD_(?:INVALID|UNKNOWN)$/.test(code));
  if (!isLost) return error;
  const { reason, method, url, codes, status } = error;
  const facts = { reason, method, url, codes, temporary: true, ...(status && { status }) };
  return new RegistryFailure(error.message, facts, { cause: error });
}

function blobUrl(registry: URL, repository: string, digest: string): URL {
  const problem = repositoryProblem(repository) ?? digestProblem(digest);
  if (problem) throw new TypeError(problem);
  return repositoryUrl(registry, repository, `blobs/${digest}`);
}
