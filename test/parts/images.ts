import { gzipSync } from 'node:zlib';
import { mediaTypes } from '@hephy/oci';
import { digestOf } from '@hephy/registry';
import type { RegistryClient } from '@hephy/registry';

export interface ImageToPush {
  readonly repository: string;
  /** What its config says, such as `{ os: 'linux', architecture: 'arm64' }`. */
  readonly platform: Readonly<Record<string, unknown>>;
  readonly kind?: 'oci' | 'docker';
  /** Of its one file, `/hello.txt`. */
  readonly content?: string;
  readonly tag?: string;
}

/** Pushes a small but whole image (a config and one layer) and answers its digest. */
export async function pushImage(client: RegistryClient, image: ImageToPush): Promise<string> {
  const { repository, platform, kind = 'oci', tag } = image;
  const types =
    kind === 'oci'
      ? [mediaTypes.ociManifest, mediaTypes.ociConfig, mediaTypes.ociLayerGzip]
      : [mediaTypes.dockerManifest, mediaTypes.dockerConfig, mediaTypes.dockerLayerGzip];
  const [mediaType = '', configType = '', layerType = ''] = types;
  const tar = tarOf('hello.txt', image.content ?? `hello from ${JSON.stringify(platform)}\n`);
  const layer = gzipSync(tar);
  const config = Buffer.from(
    JSON.stringify({
      created: '2026-01-01T00:00:00Z',
      ...platform,
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: 'COPY hello.txt /' }],
    }),
  );
  const described = await Promise.all(
    [
      { bytes: config, type: configType },
      { bytes: layer, type: layerType },
    ].map(async ({ bytes, type }) => {
      const digest = digestOf(bytes);
      await client.uploadBlob({ repository, digest, sizeBytes: bytes.length, content: bytes });
      return { mediaType: type, digest, size: bytes.length };
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: described[0],
      layers: described.slice(1),
    }),
  );
  const reference = tag ?? digestOf(manifest);
  const put = { repository, reference, bytes: manifest, mediaType };
  return (await client.putManifest(put)).digest;
}

/** Pushes an image for each platform, and an index of them under the tag; answers the index's digest. */
export async function pushIndex(
  client: RegistryClient,
  { repository, tag, platforms }: { repository: string; tag: string; platforms: readonly object[] },
): Promise<string> {
  const manifests = await Promise.all(
    platforms.map(async (platform) => {
      const digest = await pushImage(client, { repository, platform: { ...platform } });
      const sizeBytes = (await client.headManifest(repository, digest))?.sizeBytes;
      return { mediaType: mediaTypes.ociManifest, digest, size: sizeBytes, platform };
    }),
  );
  const mediaType = mediaTypes.ociIndex;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return (await client.putManifest({ repository, reference: tag, bytes, mediaType })).digest;
}

/** A tar archive of one file that everybody may read. Source: POSIX, "ustar Interchange Format". */
function tarOf(name: string, content: string): Buffer {
  const body = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(body.length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)}\u0000 `, 148);
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  return Buffer.concat([header, body, padding, Buffer.alloc(1024)]);
}

/** A number as tar writes it: octal digits that leave one of `length` bytes for the end. */
function octal(value: number, length: number): string {
  return value.toString(8).padStart(length - 1, '0');
}
