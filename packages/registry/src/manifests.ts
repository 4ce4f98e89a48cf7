import {
  digestProblem,
  isImageMediaType,
  isIndexMediaType,
  manifestMediaTypes,
  repositoryProblem,
  tagProblem,
} from '@hephy/oci';
import { z } from 'zod';
import { oneHeader, parseJson } from './classify.ts';
import { digestOf } from './digest.ts';
import { redactUrl, RegistryFailure } from './failure.ts';
import type { RegistryFailureReason } from './failure.ts';
import type { HttpAnswer } from './http.ts';
import type { CallOptions, Session } from './session.ts';
import { call, pullScope, pushScope, repositoryUrl } from './session.ts';

export interface ManifestHead {
  readonly digest: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export interface Manifest extends ManifestHead {
  /** Exactly as stored: their sha256 is the digest. */
  readonly bytes: Uint8Array;
}

export interface ManifestToPut {
  readonly repository: string;
  /** A tag, or the digest of the bytes. */
  readonly reference: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

/** A manifest may leave its type to the Content-Type; if it says one, both have to agree. */
const TypedJson = z.object({ mediaType: z.string().optional() });
const accept = manifestMediaTypes.join(', ');

/** Asks what `reference` (a tag or a digest) names; undefined if nothing. */
export async function headManifest(
  { repository, reference }: { repository: string; reference: string },
  session: Session,
  { signal }: CallOptions,
): Promise<ManifestHead | undefined> {
  const asked = {
    method: 'HEAD' as const,
    url: manifestUrl(session.registry, repository, reference),
    headers: { accept },
    scopes: [pullScope(repository)],
    expect: [200, 404],
    signal,
  };
  const head = await call(asked, session, async (answer) => {
    await answer.drain();
    return answer.status === 404 ? 'missing' : readHead(answer);
  });
  if (head === 'missing') return undefined;
  // Some registries leave the digest out of a HEAD; the bytes tell it for certain.
  if (!head) return getManifest({ repository, reference }, session, { signal });
  if (isDigest(reference) && head.digest !== reference) {
    throw failure(asked, 'DigestMismatch', `says ${head.digest} is under that digest`);
  }
  return head;
}

function readHead({ headers }: HttpAnswer): ManifestHead | undefined {
  const digest = oneHeader(headers['docker-content-digest']) ?? '';
  const size = oneHeader(headers['content-length']) ?? '';
  const mediaType = contentType(headers);
  if (!isDigest(digest) || !/^\d{1,9}$/.test(size) || mediaType === '') return undefined;
  return { digest, mediaType, sizeBytes: Number(size) };
}

/** Reads what `reference` names, and proves it: the bytes' sha256 is the digest asked for and the one that
 *  the registry says, and the type is one of an image or an index. Undefined if nothing is there. */
export async function getManifest(
  { repository, reference }: { repository: string; reference: string },
  session: Session,
  { signal }: CallOptions,
): Promise<Manifest | undefined> {
  const asked = {
    method: 'GET' as const,
    url: manifestUrl(session.registry, repository, reference),
    headers: { accept },
    scopes: [pullScope(repository)],
    expect: [200, 404],
    signal,
  };
  return call(asked, session, async (answer) => {
    if (answer.status === 404) {
      await answer.drain();
      return undefined;
    }
    const bytes = await answer.read(session.limits.manifestReadBytes);
    const digest = digestOf(bytes);
    const said = oneHeader(answer.headers['docker-content-digest']) ?? digest;
    const wanted = isDigest(reference) ? reference : said;
    if (digest !== wanted || digest !== said) {
      throw failure(asked, 'DigestMismatch', `answered bytes of ${digest}, not of ${wanted}`);
    }
    const mediaType = contentType(answer.headers);
    const typed = TypedJson.safeParse(parseJson(new TextDecoder().decode(bytes)));
    const isManifest = isImageMediaType(mediaType) || isIndexMediaType(mediaType);
    if (!isManifest || !typed.success || (typed.data.mediaType ?? mediaType) !== mediaType) {
      throw failure(asked, 'ManifestInvalid', `answered no manifest of its type "${mediaType}"`);
    }
    return { bytes, digest, mediaType, sizeBytes: bytes.length };
  });
}

/** Stores a manifest under a tag or its digest. Refuses more than the limit before sending. Answers the
 *  digest only once the registry has named the same. */
export async function putManifest(
  { repository, reference, bytes, mediaType }: ManifestToPut,
  session: Session,
  { signal }: CallOptions,
): Promise<{ digest: string }> {
  const digest = digestOf(bytes);
  const { manifestWriteBytes } = session.limits;
  const asked = {
    method: 'PUT' as const,
    url: manifestUrl(session.registry, repository, reference),
    headers: { 'content-type': mediaType },
    body: bytes,
    scopes: [pushScope(repository)],
    expect: [200, 201, 202],
    signal,
  };
  if (bytes.length > manifestWriteBytes) {
    const what = `takes manifests of ${manifestWriteBytes} bytes at most, not ${bytes.length},`;
    throw failure(asked, 'ManifestTooLarge', what);
  }
  const said = await call(asked, session, async (answer) => {
    await answer.drain();
    return oneHeader(answer.headers['docker-content-digest']);
  });
  const stored =
    said ?? (await headManifest({ repository, reference }, session, { signal }))?.digest;
  if (stored !== digest) {
    throw failure(asked, 'DigestMismatch', `stored ${stored ?? 'nothing'} instead of ${digest}`);
  }
  return { digest };
}

function manifestUrl(registry: URL, repository: string, reference: string): URL {
  const problem =
    repositoryProblem(repository) ?? (isDigest(reference) ? undefined : tagProblem(reference));
  if (problem) throw new TypeError(problem);
  return repositoryUrl(registry, repository, `manifests/${reference}`);
}

function isDigest(text: string): boolean {
  return digestProblem(text) === undefined;
}

function contentType(headers: HttpAnswer['headers']): string {
  return (oneHeader(headers['content-type']) ?? '').split(';', 1)[0]?.trim() ?? '';
}

function failure(
  { method, url }: { method: string; url: URL },
  reason: RegistryFailureReason,
  what: string,
): RegistryFailure {
  return new RegistryFailure(`${url.host} ${what} for ${method} ${url.pathname}`, {
    reason,
    temporary: false,
    method,
    url: redactUrl(url),
  });
}
