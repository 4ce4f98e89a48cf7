import { gzipSync } from 'node:zlib';
import { mediaTypes } from '@hephy/oci';
import type { Platform } from '@hephy/oci';
import { digestOf } from '@hephy/registry';
import type { RegistryClient } from '@hephy/registry';

/** Pushes an image of one layer, by digest, and answers its manifest's digest.
 *  Source: OCI image-spec v1.1, config.md and manifest.md. */
export async function pushLayer(
  { repository, platform, tar }: { repository: string; platform: Platform; tar: Uint8Array },
  client: RegistryClient,
): Promise<string> {
  const layer = gzipSync(tar);
  const { os, architecture, variant } = platform;
  const config = Buffer.from(
    JSON.stringify({
      // One date for good, so that the same package is the same image.
      created: '1970-01-01T00:00:00Z',
      architecture,
      os,
      ...(variant !== undefined && { variant }),
      config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: "Debian's busybox-static" }],
    }),
  );
  const upload = async (content: Uint8Array, mediaType: string) => {
    const digest = digestOf(content);
    await client.uploadBlob({ repository, digest, sizeBytes: content.length, content });
    return { mediaType, digest, size: content.length };
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: await upload(config, mediaTypes.ociConfig),
      layers: [await upload(layer, mediaTypes.ociLayerGzip)],
    }),
  );
  const reference = digestOf(manifest);
  await client.putManifest({
    repository,
    reference,
    bytes: manifest,
    mediaType: mediaTypes.ociManifest,
  });
  return reference;
}
