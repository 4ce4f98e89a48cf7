/** Writes an OCI image layout as a builder leaves one, for the tests of whoever reads it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mediaTypes } from '@hephy/oci';
import { digestOf } from '@hephy/registry';

export interface LayoutToWrite {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly layers?: readonly Uint8Array[];
  readonly layerMediaType?: string;
  /** Over what the manifest says. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** Over what the first layer's descriptor says. */
  readonly layer?: Readonly<Record<string, unknown>>;
  /** Over what index.json says. */
  readonly index?: Readonly<Record<string, unknown>>;
}

export const amd64 = { os: 'linux', architecture: 'amd64' };

/** Answers the digests of what it wrote. */
export async function writeLayout(directory: string, image: LayoutToWrite = {}) {
  const { config = amd64, layers = [Buffer.from('one'), Buffer.from('two')] } = image;
  await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
  const write = async (mediaType: string, bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    await writeFile(blobFile(directory, digest), bytes, { mode: 0o600 });
    return { mediaType, digest, size: bytes.length };
  };
  const described: { mediaType: string; digest: string; size: number }[] = [];
  for (const layer of layers) {
    described.push(await write(image.layerMediaType ?? mediaTypes.ociLayerGzip, layer));
  }
  const [first, ...others] = described;
  const configured = await write(mediaTypes.ociConfig, jsonBytes(config));
  const manifest = await write(
    mediaTypes.ociManifest,
    jsonBytes({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: configured,
      layers: first ? [{ ...first, ...image.layer }, ...others] : [],
      ...image.manifest,
    }),
  );
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [manifest] };
  await writeFile(join(directory, 'index.json'), jsonBytes({ ...index, ...image.index }));
  await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return {
    manifest: manifest.digest,
    config: configured.digest,
    layers: described.map(({ digest }) => digest),
  };
}

export function blobFile(directory: string, digest: string): string {
  return join(directory, 'blobs', digest.replace(':', '/'));
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
