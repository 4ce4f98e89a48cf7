import {
  ImageConfig,
  ImageIndex,
  ImageManifest,
  isIndexMediaType,
  readPlatformFields,
} from '@hephy/oci';
import type { Platform } from '@hephy/oci';
import { parseJson } from './classify.ts';
import type { RegistryDeps } from './verify-child.ts';

/** The platforms that an image or an index is for, as it says them; none where it does not say. Undefined: the registry
 *  has no such image. Throws `RegistryFailure`, or the signal's reason. */
export async function readImagePlatforms(
  { repository, digest }: { repository: string; digest: string },
  { client, signal }: RegistryDeps,
): Promise<readonly Platform[] | undefined> {
  const manifest = await client.getManifest(repository, digest, { signal });
  if (!manifest) return undefined;
  const json = parseJson(new TextDecoder().decode(manifest.bytes));
  if (isIndexMediaType(manifest.mediaType)) return platformsOfIndex(json);
  const image = ImageManifest.safeParse(json);
  const bytes = image.success && (await client.getBlob(repository, image.data.config, { signal }));
  if (!bytes) return [];
  const config = ImageConfig.safeParse(parseJson(new TextDecoder().decode(bytes)));
  return config.success ? [readPlatformFields(config.data)] : [];
}

function platformsOfIndex(json: unknown): readonly Platform[] {
  const index = ImageIndex.safeParse(json);
  const fields = index.success ? index.data.manifests.map(({ platform }) => platform) : [];
  const said = fields.flatMap((one) => one ?? []);
  if (said.length < fields.length) return [];
  // What is of an unknown platform is said about the images, and is none.
  return said.filter(({ os }) => os !== 'unknown').map(readPlatformFields);
}
