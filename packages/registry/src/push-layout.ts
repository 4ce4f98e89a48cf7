import { createReadStream } from 'node:fs';
import { refusedAsValue, type Refused } from './publish-failure.ts';
import type { ImageLayout } from './read-layout.ts';
import type { RegistryDeps } from './verify-child.ts';

/** Each is opened when its turn comes. */
const uploadsAtOnce = 4;

/** Pushes what the registry lacks of the image, and then its manifest under the tag. Answers its digest. */
export async function pushLayout(
  { layout, repository, tag }: { layout: ImageLayout; repository: string; tag: string },
  { client, signal }: RegistryDeps,
): Promise<{ ok: true; digest: string; sentBytes: number } | Refused> {
  return refusedAsValue(async () => {
    let sentBytes = 0;
    const blobs = layout.blobs.values();
    // All take from the same list, and the first that fails ends it.
    const pushInTurn = async (): Promise<void> => {
      for (const { descriptor, file } of blobs) {
        const { digest, size: sizeBytes } = descriptor;
        const content = () => createReadStream(file);
        const blob = { repository, digest, sizeBytes, content };
        const { uploaded } = await client.uploadBlob(blob, { signal });
        if (uploaded) sentBytes += sizeBytes;
      }
    };
    await Promise.all(Array.from({ length: uploadsAtOnce }, pushInTurn));
    const { bytes, mediaType } = layout.manifest;
    const manifest = { repository, reference: tag, bytes, mediaType };
    const { digest } = await client.putManifest(manifest, { signal });
    return { ok: true, digest, sentBytes };
  });
}
