import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SourceRef } from '@hephy/core';
import type { SourceStore } from '@hephy/source';

/** Text of a file, or where a link points to. */
export type SourceFile = string | { readonly linkTo: string };

/** Stores a tarball of these files, as a push does. */
export async function putFiles(
  sources: SourceStore,
  files: Readonly<Record<string, SourceFile>>,
): Promise<SourceRef> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hephy-files-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(folder, name);
      await mkdir(path.dirname(file), { recursive: true });
      if (typeof content === 'string') {
        await writeFile(file, content);
        await chmod(file, 0o755);
      } else {
        await symlink(content.linkTo, file);
      }
    }
    return await putFolder(sources, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function putFolder(sources: SourceStore, folder: string): Promise<SourceRef> {
  const tar = spawn('tar', ['--create', '--file=-', `--directory=${folder}`, '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(tar, 'close');
  const put = await sources.put(tar.stdout, {
    maxBytes: 2 ** 30,
    signal: AbortSignal.timeout(60_000),
  });
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`tar ended with ${code}`);
  if (!put.ok) throw new Error(`the source was refused: ${put.failure.reason}`);
  return put.source;
}
