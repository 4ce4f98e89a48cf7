import type { TarEntry } from './tar-header.ts';
import { TarReader } from './unpack-tar.ts';
import type { OpenFile } from './write-tree.ts';

/**
 * One file of a commit's tarball, read no further than its end: so what it holds is checked only as far as that.
 * Undefined: it is not there, is no plain file, or is larger than `maxBytes`.
 */
export async function readSourceFile(
  tarball: AsyncIterable<Uint8Array>,
  { path, maxBytes }: { readonly path: string; readonly maxBytes: number },
): Promise<Buffer | undefined> {
  const wanted = partsOf(Buffer.from(path).toString('latin1'));
  const pieces: Uint8Array[] = [];
  let found: 'file' | 'other' | undefined;
  let isOver = false;
  const make = (entry: TarEntry): OpenFile | undefined => {
    if (found !== undefined || entry.type === 'directory' || partsOf(entry.name) !== wanted) {
      return undefined;
    }
    found = entry.type === 'file' && entry.sizeBytes <= maxBytes ? 'file' : 'other';
    isOver = found === 'other';
    return isOver
      ? undefined
      : { write: (piece) => pieces.push(piece), close: () => (isOver = true) };
  };
  const reader = new TarReader({ make, finish: () => undefined });
  for await (const chunk of tarball) {
    reader.read(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (isOver) break;
  }
  return found === 'file' && isOver ? Buffer.concat(pieces) : undefined;
}

function partsOf(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.join('/');
}
