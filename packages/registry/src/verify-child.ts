import {
  formatPlatform,
  ImageConfig,
  ImageManifest,
  isConfigMediaType,
  isImageMediaType,
  isIndexMediaType,
  normalizePlatform,
  parsePlatform,
  readPlatformFields,
} from '@hephy/oci';
import type { Descriptor, Platform } from '@hephy/oci';
import { parseJson } from './classify.ts';
import type { RegistryClient } from './client.ts';
import { refuse, refusedAsValue } from './publish-failure.ts';
import type { Refused } from './publish-failure.ts';

export interface ChildToVerify {
  readonly repository: string;
  /** What the builder says it pushed. */
  readonly digest: string;
  /** What it was asked for, canonical: `linux/arm64`. */
  readonly platform: string;
  /** Where it was told to push, and nobody else: has to name the digest, or the digest is of another build. */
  readonly tag?: string;
}

export interface VerifiedChild {
  /** Its size is that of the bytes read: a registry stores an index with wrong sizes. */
  readonly descriptor: Descriptor;
  /** The manifest's own, as stored: what a tag needs that names this image without an index. */
  readonly bytes: Uint8Array;
  /** What the image's config says, as an index repeats it. */
  readonly configPlatform: Platform;
}

export interface RegistryDeps {
  readonly client: RegistryClient;
  readonly signal?: AbortSignal | undefined;
}

/** Proves that the registry holds, under this digest, one image for this platform. Nothing of what the
 *  builder reports is taken on trust: the bytes under the digest are read, and so is their config. */
export async function verifyChild(
  child: ChildToVerify,
  deps: RegistryDeps,
): Promise<({ ok: true } & VerifiedChild) | Refused> {
  return refusedAsValue(async () => {
    const [image, pushed] = await Promise.all([readImage(child, deps), checkTag(child, deps)]);
    if (!image.ok) return image;
    const { descriptor, bytes, config } = image;
    const configPlatform = await readConfigPlatform({ ...child, config }, deps);
    if (!configPlatform.ok) return configPlatform;
    const { platform } = configPlatform;
    const asked = parsePlatform(child.platform);
    if (!asked.ok) return refuse('PlatformMismatch', asked.problem);
    const found = formatPlatform(platform);
    if (found !== formatPlatform(asked.platform)) {
      const what = `the image built for ${child.platform} says ${found} in its config`;
      return refuse('PlatformMismatch', `${what} (${child.repository}@${child.digest})`);
    }
    return pushed.ok ? { ok: true, descriptor, bytes, configPlatform: platform } : pushed;
  });
}

async function checkTag(
  { repository, digest, platform, tag }: ChildToVerify,
  { client, signal }: RegistryDeps,
): Promise<{ ok: true } | Refused> {
  if (tag === undefined) return { ok: true };
  const pushed = await client.headManifest(repository, tag, { signal });
  if (pushed?.digest === digest) return { ok: true };
  const what = `the build for ${platform} reported ${digest}, and pushed ${pushed?.digest ?? 'nothing'}`;
  return refuse('DigestMismatch', `${what} (${repository}:${tag})`);
}

async function readImage(
  { repository, digest, platform }: ChildToVerify,
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; descriptor: Descriptor; bytes: Uint8Array; config: Descriptor } | Refused> {
  const name = `${repository}@${digest}`;
  const [head, manifest] = await Promise.all([
    client.headManifest(repository, digest, { signal }),
    client.getManifest(repository, digest, { signal }),
  ]);
  if (!head || !manifest) {
    const what = `${client.registry} has no ${name}, which the build for ${platform} reported`;
    return refuse('DigestMissing', what);
  }
  const { mediaType, sizeBytes } = manifest;
  if (head.mediaType !== mediaType || head.sizeBytes !== sizeBytes) {
    return refuse('DigestMismatch', `${client.registry} tells HEAD and GET of ${name} apart`);
  }
  if (isIndexMediaType(mediaType)) {
    return refuse('MediaTypeConflict', `${name} is an index, not one image for ${platform}`);
  }
  const parsed = ImageManifest.safeParse(parseJson(new TextDecoder().decode(manifest.bytes)));
  if (!isImageMediaType(mediaType) || !parsed.success) {
    return refuse('ManifestInvalid', `${name} is not a manifest of an image`);
  }
  return {
    ok: true,
    descriptor: { mediaType, digest, size: sizeBytes },
    bytes: manifest.bytes,
    config: parsed.data.config,
  };
}

async function readConfigPlatform(
  { repository, digest, config }: ChildToVerify & { config: Descriptor },
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; platform: Platform } | Refused> {
  const name = `${repository}@${digest}`;
  if (!isConfigMediaType(config.mediaType)) {
    return refuse(
      'MediaTypeConflict',
      `${name} is not an image: its config is ${config.mediaType}`,
    );
  }
  const bytes = await client.getBlob(repository, config, { signal });
  if (!bytes) return refuse('DigestMissing', `the config of ${name} is not in ${client.registry}`);
  const parsed = ImageConfig.safeParse(parseJson(new TextDecoder().decode(bytes)));
  if (!parsed.success) {
    return refuse('ManifestInvalid', `the config of ${name} says no os and architecture`);
  }
  const said = readPlatformFields(parsed.data);
  const { variant, ...normal } = normalizePlatform(said);
  // A client that asks for a variant takes only a child that names it, so one that the config names stays
  // (`arm64` with `v8`); an arm image without one gets the v7 that it means.
  const shown = said.variant ?? (normal.architecture === 'arm' ? variant : undefined);
  return { ok: true, platform: { ...normal, ...(shown && { variant: shown }) } };
}
