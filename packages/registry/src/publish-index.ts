/**
 * The steps of a publication, in order: `verifyChild` for each platform, `assembleIndex`, `putIndex` by
 * digest, then `moveTag` for each tag. Each may be run again after a crash anywhere, and no tag is touched
 * before everything under it has been proved. The caller holds the lock on the repository: a registry has
 * no compare-and-swap.
 */
import type { AssembledIndex } from './assemble-index.ts';
import { digestOf } from './digest.ts';
import { RegistryFailure } from './failure.ts';
import { refuse, refusedAsValue } from './publish-failure.ts';
import type { Refused } from './publish-failure.ts';
import type { RegistryDeps } from './verify-child.ts';

/** Stores an index under its digest, where no tag names it yet. */
export async function putIndex(
  { repository, bytes, mediaType }: { repository: string; bytes: Uint8Array; mediaType: string },
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; digest: string } | Refused> {
  return refusedAsValue(async () => {
    const reference = digestOf(bytes);
    const { digest } = await client.putManifest(
      { repository, reference, bytes, mediaType },
      { signal },
    );
    return { ok: true, digest };
  });
}

export interface TagToMove extends AssembledIndex {
  readonly repository: string;
  readonly tag: string;
}

/** Makes the tag name the digest, and looks again. `moved: false` if it did already: nothing is sent then,
 *  for some registries refuse even the same content under a tag that may not change. */
export async function moveTag(
  { repository, tag, digest, bytes, mediaType }: TagToMove,
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; moved: boolean } | Refused> {
  const current = async () => (await client.headManifest(repository, tag, { signal }))?.digest;
  return refusedAsValue(async () => {
    if ((await current()) === digest) return { ok: true, moved: false };
    try {
      await client.putManifest({ repository, reference: tag, bytes, mediaType }, { signal });
    } catch (error) {
      // Our first try may have been stored though its answer was lost; the second is then refused.
      const isRefused = error instanceof RegistryFailure && error.reason === 'TagImmutable';
      if (!isRefused || (await current()) !== digest) throw error;
    }
    const now = await current();
    if (now === digest) return { ok: true, moved: true };
    const what = `${client.registry}/${repository}:${tag} names ${now ?? 'nothing'}`;
    return refuse('DigestMismatch', `${what} after it was set to ${digest}`);
  });
}
