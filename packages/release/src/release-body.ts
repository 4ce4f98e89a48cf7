import { workOf, type BuildRecord } from '@hephy/core';
import { z } from 'zod';

/** What a release hook is told. Source of the frame: Standard Webhooks, "Payload structure"; below 20 kB. */
export const ReleaseBody = z.strictObject({
  type: z.literal('release.published'),
  /** When the release was made: the same at every try. */
  timestamp: z.iso.datetime(),
  data: z.strictObject({
    app: z.string(),
    build: z.strictObject({ id: z.string(), number: z.number().int() }),
    /** 40 hex digits. */
    commit: z.string(),
    ref: z.string(),
    /** 1, 2, 3 … per app; shown as v1, v2, v3. */
    version: z.number().int(),
    /** `registry/repository@sha256:…`: what to deploy. */
    image: z.string(),
    digest: z.string(),
    mediaType: z.string(),
    /** The tags that name the digest; a tag that a newer build owns is not among them. */
    tags: z.array(z.string()),
    platforms: z.array(z.strictObject({ platform: z.string(), digest: z.string() })),
    pushedBy: z.string(),
  }),
});
export type ReleaseBody = z.infer<typeof ReleaseBody>;

/** Says what was released, from the record of a build whose images are published. Throws for any other build. */
export function releaseBody({ build, work, release }: BuildRecord): ReleaseBody {
  const [publication] = workOf({ build, work, release }, 'publication');
  const image = build.plan.images.find(({ name }) => name === publication?.image);
  if (!release || !publication?.result || !image) {
    throw new Error(`build ${build.id} has no release to tell of`);
  }
  const { digest, mediaType, children, tags } = publication.result;
  return {
    type: 'release.published',
    timestamp: release.createdAt.toISOString(),
    data: {
      app: build.appName,
      build: { id: build.id, number: build.number },
      commit: build.sha,
      ref: build.ref,
      version: release.version,
      image: `${image.repository}@${digest}`,
      digest,
      mediaType,
      tags: tags.filter(({ moved }) => moved).map(({ tag }) => tag),
      platforms: children.map((child) => ({ platform: child.platform, digest: child.digest })),
      pushedBy: build.pushedBy,
    },
  };
}
