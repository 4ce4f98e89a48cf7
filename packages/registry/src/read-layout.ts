/**
 * Reads the image that a builder left as an OCI image layout, and proves it whole. Whoever wrote it ran a stranger's code
 * as root, so nothing in it is followed, trusted or tolerated: no links, no devices, no file that the image does not name,
 * one manifest, each blob of the size and the digest that name it, and a config for the platform that was asked for. A
 * manifest may say only what makes an image: a `subject` would attach it to another one, `urls` send whoever pulls it
 * elsewhere. Whoever wrote it has ended, and nobody writes to it any more: what is a file when we look is still one when
 * we read. Source: OCI image-spec v1.1, image-layout.md and manifest.md.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, opendir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  Descriptor,
  formatPlatform,
  ImageConfig,
  ImageIndex,
  isConfigMediaType,
  isImageMediaType,
  mediaTypes,
  parsePlatform,
  readPlatformFields,
} from '@hephy/oci';
import { z } from 'zod';
import { parseJson } from './classify.ts';
import { digestOf } from './digest.ts';
import { printable } from './failure.ts';
import { defaultLimits } from './limits.ts';
import { refuse, type PublishReason, type Refused } from './publish-failure.ts';

export interface ImageLayout {
  /** Its bytes as they were left: their sha256 is the digest. */
  readonly manifest: {
    readonly digest: string;
    readonly mediaType: string;
    readonly bytes: Uint8Array;
  };
  /** The config and the layers, each once. */
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly file: string }[];
}

/** More than any runtime can mount. */
const mostLayers = 500;
const longestIndexBytes = 65_536;

/** `platform` is canonical, such as `linux/arm64`. */
export async function readLayout(
  directory: string,
  platform: string,
): Promise<({ ok: true } & ImageLayout) | Refused> {
  try {
    return { ok: true, ...(await readImage(directory, platform)) };
  } catch (error) {
    if (!(error instanceof LayoutProblem)) throw error;
    return refuse(error.reason, error.message);
  }
}

class LayoutProblem extends Error {
  readonly reason: PublishReason;

  constructor(message: string, reason: PublishReason = 'LayoutInvalid') {
    super(printable(message));
    this.reason = reason;
  }
}

/** Parsed to the last field: what is unknown is refused. */
const StrictDescriptor = z.strictObject({
  ...Descriptor.shape,
  annotations: z.record(z.string(), z.string()).optional(),
});
const StrictManifest = z.strictObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: StrictDescriptor,
  layers: z.array(StrictDescriptor).max(mostLayers),
  annotations: z.record(z.string(), z.string()).optional(),
});
const Marker = z.object({ imageLayoutVersion: z.literal('1.0.0') });

const layerMediaTypes: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.layer.v1.tar',
  mediaTypes.ociLayerGzip,
  'application/vnd.oci.image.layer.v1.tar+zstd',
  'application/vnd.docker.image.rootfs.diff.tar',
  mediaTypes.dockerLayerGzip,
]);

async function readImage(directory: string, platform: string): Promise<ImageLayout> {
  await checkNames(directory, '', ['oci-layout', 'index.json', 'blobs']);
  await checkNames(directory, 'blobs', ['sha256']);
  parseFile('oci-layout', await readBounded(directory, 'oci-layout', longestIndexBytes), Marker);
  const { config, layers, ...manifest } = await readManifest(directory);
  const named = [manifest, config, ...layers].map(({ digest }) => digest.slice('sha256:'.length));
  await checkNames(directory, 'blobs/sha256', named);
  await checkConfig(directory, { config, platform });
  const blobs = new Map<string, Descriptor>();
  for (const { mediaType, digest, size } of [config, ...layers]) {
    if ((blobs.get(digest)?.size ?? size) !== size) {
      throw new LayoutProblem(`${digest} is given two sizes`);
    }
    blobs.set(digest, { mediaType, digest, size });
  }
  for (const blob of blobs.values()) await checkBlob(directory, blob);
  return {
    manifest,
    blobs: [...blobs.values()].map((descriptor) => ({
      descriptor,
      file: join(directory, nameOf(descriptor.digest)),
    })),
  };
}

async function readManifest(directory: string) {
  const index = parseFile(
    'index.json',
    await readBounded(directory, 'index.json', longestIndexBytes),
    ImageIndex,
  );
  const [descriptor, ...others] = index.manifests;
  if (!descriptor || others.length > 0) {
    throw new LayoutProblem(`index.json names ${index.manifests.length} manifests, not one`);
  }
  const { digest, mediaType } = descriptor;
  if (!isImageMediaType(mediaType)) {
    throw new LayoutProblem(`index.json names no image but ${mediaType}`);
  }
  const bytes = await readNamed(directory, descriptor, defaultLimits.manifestWriteBytes);
  const image = parseFile(`the manifest ${digest}`, bytes, StrictManifest);
  if ((image.mediaType ?? mediaType) !== mediaType) {
    throw new LayoutProblem(`the manifest ${digest} is ${image.mediaType}, not ${mediaType}`);
  }
  const { config, layers } = image;
  if (!isConfigMediaType(config.mediaType)) {
    throw new LayoutProblem(`${config.digest} is no config but ${config.mediaType}`);
  }
  const layer = layers.find((found) => !layerMediaTypes.has(found.mediaType));
  if (layer) throw new LayoutProblem(`${layer.digest} is no layer but ${layer.mediaType}`);
  return { digest, mediaType, bytes, config, layers };
}

async function checkConfig(
  directory: string,
  { config, platform }: { config: Descriptor; platform: string },
): Promise<void> {
  const bytes = await readNamed(directory, config, defaultLimits.manifestReadBytes);
  const said = readPlatformFields(parseFile(`the config ${config.digest}`, bytes, ImageConfig));
  const asked = parsePlatform(platform);
  const found = formatPlatform(said);
  if (asked.ok && formatPlatform(asked.platform) === found) return;
  const what = `the image built for ${platform} says ${found} in its config`;
  throw new LayoutProblem(what, 'PlatformMismatch');
}

/** The folder and its names, one by one: however many there are, the first that is foreign is the last. */
async function checkNames(
  directory: string,
  folder: string,
  names: readonly string[],
): Promise<void> {
  const path = join(directory, folder);
  const stats = await statOf(path, folder === '' ? 'the layout' : folder);
  if (!stats.isDirectory()) throw new LayoutProblem(`${folder} is not a folder`);
  const known = new Set(names);
  for await (const { name } of await opendir(path)) {
    if (!known.has(name)) throw new LayoutProblem(`${join(folder, name)} is not of the image`);
  }
}

async function checkBlob(directory: string, { digest, size }: Descriptor): Promise<void> {
  const name = nameOf(digest);
  const sizeBytes = await sizeOf(directory, name);
  if (sizeBytes !== size) {
    throw new LayoutProblem(`${name} has ${sizeBytes} bytes, and the manifest says ${size}`);
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(join(directory, name)), hash);
  const found = `sha256:${hash.digest('hex')}`;
  if (found !== digest) throw new LayoutProblem(`the bytes of ${name} are those of ${found}`);
}

/** A blob that is small enough to be read whole. */
async function readNamed(
  directory: string,
  { digest, size }: Descriptor,
  maxBytes: number,
): Promise<Buffer> {
  const name = nameOf(digest);
  const bytes = await readBounded(directory, name, maxBytes);
  if (bytes.length === size && digestOf(bytes) === digest) return bytes;
  throw new LayoutProblem(`${name} is ${bytes.length} bytes of ${digestOf(bytes)}`);
}

async function readBounded(directory: string, name: string, maxBytes: number): Promise<Buffer> {
  const sizeBytes = await sizeOf(directory, name);
  if (sizeBytes > maxBytes) {
    throw new LayoutProblem(`${name} has ${sizeBytes} bytes, and at most ${maxBytes} are read`);
  }
  return readFile(join(directory, name));
}

async function sizeOf(directory: string, name: string): Promise<number> {
  const stats = await statOf(join(directory, name), name);
  // Not opened before it is known for a file: a pipe would keep us waiting, a device do who knows what.
  if (!stats.isFile()) throw new LayoutProblem(`${name} is not a file`);
  return stats.size;
}

async function statOf(path: string, name: string) {
  try {
    return await lstat(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw new LayoutProblem(code === 'ENOENT' ? `${name} is missing` : `${name}: ${code}`);
  }
}

function nameOf(digest: string): string {
  return join('blobs', digest.replace(':', '/'));
}

/** Nothing of what was read is told: it may be a file that a link has led to. */
function parseFile<T>(name: string, bytes: Uint8Array, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(parseJson(new TextDecoder().decode(bytes)));
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path, code, ...issue }) => {
    const keys = 'keys' in issue && code === 'unrecognized_keys' ? issue.keys : [];
    return [...path, ...keys].join('.');
  });
  throw new LayoutProblem(`${name} is not as the image-spec has it: ${places.join(', ')}`);
}
