import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { mediaTypes, parsePlatform } from '@hephy/oci';
import {
  assembleIndex,
  digestOf,
  moveTag,
  putIndex,
  verifyChild,
  type PublishFailure,
  type RegistryClient,
  type VerifiedChild,
} from '@hephy/registry';
import { hashFile } from './hash-file.ts';

export interface ImageOfOneLayer {
  readonly repository: string;
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
  /** An uncompressed tar archive: emulated machines unpack it, too. */
  readonly layerFile: string;
  /** As in an image's config: Entrypoint, Env, WorkingDir. */
  readonly config: Readonly<Record<string, unknown>>;
}

const layerMediaType = 'application/vnd.oci.image.layer.v1.tar';

/** Pushes the images, and their index under the tag; answers its digest. */
export async function pushIndex(
  { repository, tag }: { repository: string; tag: string },
  images: readonly Omit<ImageOfOneLayer, 'repository'>[],
  client: RegistryClient,
): Promise<string> {
  const children: VerifiedChild[] = [];
  for (const image of images) children.push(await pushChild({ ...image, repository }, client));
  const platforms = images.map(({ platform }) => platform);
  const index = expected(assembleIndex(children, { platforms, mode: 'oci' }));
  expected(await putIndex({ ...index, repository }, { client }));
  expected(await moveTag({ ...index, repository, tag }, { client }));
  return index.digest;
}

async function pushChild(image: ImageOfOneLayer, client: RegistryClient): Promise<VerifiedChild> {
  const { repository, layerFile } = image;
  const parsed = parsePlatform(image.platform);
  if (!parsed.ok) throw new Error(parsed.problem);
  const layer = { digest: await hashFile(layerFile), size: (await stat(layerFile)).size };
  await client.uploadBlob({
    repository,
    digest: layer.digest,
    sizeBytes: layer.size,
    content: () => createReadStream(layerFile),
  });
  const { os, architecture } = parsed.platform;
  const rootfs = { type: 'layers', diff_ids: [layer.digest] };
  const content = jsonBytes({ architecture, os, config: image.config, rootfs });
  const config = { digest: digestOf(content), size: content.length };
  await client.uploadBlob({ repository, digest: config.digest, sizeBytes: config.size, content });
  const bytes = jsonBytes({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, ...config },
    layers: [{ mediaType: layerMediaType, ...layer }],
  });
  const digest = digestOf(bytes);
  const manifest = { repository, reference: digest, bytes, mediaType: mediaTypes.ociManifest };
  await client.putManifest(manifest);
  return expected(await verifyChild({ repository, digest, platform: image.platform }, { client }));
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function expected<T>(result: ({ ok: true } & T) | { ok: false; failure: PublishFailure }): T {
  if (result.ok) return result;
  throw new Error(result.failure.message, { cause: result.failure });
}
