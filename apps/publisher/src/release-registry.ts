/** What publishing needs from a registry: verbs that are each safe to do twice. */
import { failureOf, type Failure, type ImageTag } from '@hephy/core';
import {
  assembleIndex,
  moveTag,
  putIndex,
  tryTag,
  verifyChild,
  type PublishFailure,
  type RegistryClient,
  type VerifiedChild as Verified,
} from '@hephy/registry';

export interface VerifiedChild extends Verified {
  /** The platform that was asked for, and that the child's config says. */
  readonly platform: string;
}

/** A manifest or an index that the repository holds under its digest. */
export interface StoredImage {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export type Answer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure };

export interface ReleaseRegistry {
  /** Whether we may move the tag, as far as that can be told without moving it: writes once more what it names. */
  tryTag(
    input: ImageTag & Pick<Bounds, 'before'> & { readonly onWrite: () => void },
  ): Promise<Answer<void>>;

  /** HEAD by digest, manifest by digest (size and type from its bytes), platform from its config, HEAD by the tag. */
  verifyChild(input: {
    /** `registry/repository` */
    repository: string;
    digest: string;
    platform: string;
    /** That the builder alone pushes to. */
    tag: string;
    signal: AbortSignal;
  }): Promise<Answer<VerifiedChild>>;

  /** Writes the index of the children by its digest; with `index` false, answers the only child. Children of another
   *  format than the one asked for are refused, never relabelled; `auto` takes them as they are. */
  putImage(input: {
    repository: string;
    children: readonly VerifiedChild[];
    index: boolean;
    format: 'auto' | 'oci' | 'docker';
    signal: AbortSignal;
  }): Promise<Answer<StoredImage>>;

  /** Points the tag at a manifest that the repository holds, and reads it back. `proven`: it named another before. */
  moveTag(input: ImageTag & { image: StoredImage } & Bounds): Promise<Answer<{ proven: boolean }>>;
}

interface Bounds {
  /** Not a request leaves, and none is waited for, after this. */
  readonly before: Date;
  readonly signal: AbortSignal;
}

/** The verbs on a real registry: the one that all repositories of the plan are in. */
export function createReleaseRegistry(client: RegistryClient, now: () => Date): ReleaseRegistry {
  const path = (repository: string): string => repositoryPath(client.registry, repository);
  return {
    async verifyChild({ repository, digest, platform, tag, signal }) {
      const input = { repository: path(repository), digest, platform, tag };
      const answer = await verifyChild(input, { client, signal });
      return answer.ok ? { ok: true, value: { ...answer, platform } } : refused(answer, platform);
    },
    async putImage({ repository, children, index, format, signal }) {
      const platforms = children.map(({ platform }) => platform);
      const image = assembleIndex(children, { platforms, mode: format });
      if (!image.ok) return refused(image);
      const [only] = children;
      if (!index && only) return { ok: true, value: { ...only.descriptor, bytes: only.bytes } };
      const stored = await putIndex({ repository: path(repository), ...image }, { client, signal });
      return stored.ok ? { ok: true, value: image } : refused(stored);
    },
    tryTag({ repository, tag, before, onWrite }) {
      return within(tag, { before }, async (signal) => {
        const input = { repository: path(repository), tag, onWrite };
        const tried = await tryTag(input, { client, signal });
        return tried.ok ? { ok: true, value: undefined } : refused(tried);
      });
    },
    moveTag({ repository, tag, image, ...bounds }) {
      return within(tag, bounds, async (signal) => {
        const input = { repository: path(repository), tag, ...image };
        const moved = await moveTag(input, { client, signal });
        if (!moved.ok) return refused(moved);
        const { from } = moved;
        return { ok: true, value: { proven: from !== undefined && from !== image.digest } };
      });
    },
  };

  async function within<T>(
    tag: string,
    { before, signal }: Pick<Bounds, 'before'> & Partial<Bounds>,
    ask: (signal: AbortSignal) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const leftMs = before.getTime() - now().getTime();
    if (leftMs <= 0) return tooLate(tag);
    const inTime = AbortSignal.timeout(leftMs);
    try {
      return await ask(AbortSignal.any([inTime, ...(signal ? [signal] : [])]));
    } catch (error) {
      if (inTime.aborted && !signal?.aborted) return tooLate(tag);
      throw error;
    }
  }
}

function tooLate(tag: string): { ok: false; failure: Failure } {
  const detail = `no answer in time about the tag ${tag}`;
  return { ok: false, failure: failureOf('RegistryUnavailable', { detail }) };
}

function refused(
  { failure }: { failure: PublishFailure },
  platform?: string,
): { ok: false; failure: Failure } {
  const { reason, message } = failure;
  return {
    ok: false,
    failure: failureOf(reason, { detail: message, ...(platform && { platform }) }),
  };
}

function repositoryPath(registry: string, repository: string): string {
  if (!repository.startsWith(`${registry}/`)) {
    throw new Error(`${repository} is not in the registry ${registry} that we publish to`);
  }
  return repository.slice(registry.length + 1);
}
