/**
 * The steps of a publication, in order: `tryTag` before anything is built, `verifyChild` for each platform,
 * `assembleIndex`, `putIndex` by digest, then `moveTag` for each tag. Each may be run again after a crash
 * anywhere, and no tag moves before everything under it has been proved. The caller holds the lock on the
 * repository: a registry has no compare-and-swap.
 */
import type { AssembledIndex } from './assemble-index.ts';
import { digestOf } from './digest.ts';
import { RegistryFailure } from './failure.ts';
import type { Manifest } from './manifests.ts';
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

/**
 * Finds out whether we may move a tag, by writing once more what it names: no verb of the protocol asks for it. A
 * refusal is certain; a registry that compares the content first lets this pass, and refuses the move. Where the
 * tag names nothing it only tries the right to push. `onWrite` is called right before the tag is written: from then on
 * only an answer tells that nothing of it is on its way.
 */
export async function tryTag(
  { repository, tag, onWrite }: Pick<TagToMove, 'repository' | 'tag'> & { onWrite: () => void },
  { client, signal }: RegistryDeps,
): Promise<{ ok: true } | Refused> {
  return refusedAsValue(async () => {
    const named = await readIfAllowed({ repository, tag }, { client, signal });
    if (named) {
      const { bytes, mediaType } = named;
      onWrite();
      await client.putManifest({ repository, reference: tag, bytes, mediaType }, { signal });
    } else {
      await client.tryPush(repository, { signal });
    }
    return { ok: true };
  });
}

/** Some registries let nobody read from a repository that the first push will make. */
async function readIfAllowed(
  { repository, tag }: Pick<TagToMove, 'repository' | 'tag'>,
  { client, signal }: RegistryDeps,
): Promise<Manifest | undefined> {
  try {
    return await client.getManifest(repository, tag, { signal });
  } catch (error) {
    const reason = error instanceof RegistryFailure ? error.reason : undefined;
    if (reason === 'RegistryUnauthorized') return undefined;
    throw error;
  }
}

export interface TagToMove extends AssembledIndex {
  readonly repository: string;
  readonly tag: string;
}

/** Makes the tag name the digest, and looks again. Nothing is sent if it did already: some registries refuse
 *  even the same content under a tag that may not change. `from`: what it named before, undefined if nothing. */
export async function moveTag(
  { repository, tag, digest, bytes, mediaType }: TagToMove,
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; from: string | undefined } | Refused> {
  const current = async () => (await client.headManifest(repository, tag, { signal }))?.digest;
  return refusedAsValue(async () => {
    const from = await current();
    if (from === digest) return { ok: true, from };
    try {
      await client.putManifest({ repository, reference: tag, bytes, mediaType }, { signal });
    } catch (error) {
      // Our first try may have been stored though its answer was lost; the second is then refused.
      const isRefused = error instanceof RegistryFailure && error.reason === 'TagImmutable';
      if (!isRefused || (await current()) !== digest) throw error;
    }
    const now = await current();
    if (now === digest) return { ok: true, from };
    const what = `${client.registry}/${repository}:${tag} names ${now ?? 'nothing'}`;
    return refuse('DigestMismatch', `${what} after it was set to ${digest}`);
  });
}
