import { ImageIndex } from '@hephy/oci';
import { assembleIndex, moveTag, putIndex, verifyChild } from '@hephy/registry';
import type { IndexOptions, Refused, RegistryClient, VerifiedChild } from '@hephy/registry';

export interface Publication extends Partial<IndexOptions> {
  readonly repository: string;
  /** Of each platform's image, in the order of `platforms`. */
  readonly digests: readonly string[];
  readonly tags?: readonly string[];
}

/** The steps of a publication in their order, each as the publisher takes it. */
export async function publish(
  publication: Publication,
  client: RegistryClient,
): Promise<{ ok: true; digest: string } | Refused> {
  const { repository, digests, tags = ['latest'], mode = 'auto', annotations } = publication;
  const platforms = publication.platforms ?? ['linux/amd64', 'linux/arm64'];
  const answers = await Promise.all(
    digests.map((digest, at) =>
      verifyChild({ repository, digest, platform: platforms[at] ?? '' }, { client }),
    ),
  );
  const verified: VerifiedChild[] = [];
  for (const answer of answers) {
    if (!answer.ok) return answer;
    verified.push(answer);
  }
  const index = assembleIndex(verified, { platforms, mode, ...(annotations && { annotations }) });
  if (!index.ok) return index;
  const put = await putIndex({ repository, ...index }, { client });
  if (!put.ok) return put;
  for (const tag of tags) {
    const moved = await moveTag({ repository, tag, ...index }, { client });
    if (!moved.ok) return moved;
  }
  return put;
}

/** What a test compares: `published`, or the reason of the refusal. */
export async function outcome(work: Promise<{ ok: true } | Refused>): Promise<string> {
  const answer = await work;
  return answer.ok ? 'published' : answer.failure.reason;
}

/** The digests that the tag's index lists, in its order. */
export async function childrenOf(
  { repository, tag }: { repository: string; tag: string },
  client: RegistryClient,
): Promise<string[]> {
  const manifest = await client.getManifest(repository, tag);
  const index = ImageIndex.parse(JSON.parse(new TextDecoder().decode(manifest?.bytes)));
  return index.manifests.map(({ digest }) => digest);
}
