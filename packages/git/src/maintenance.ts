import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from './git-process.ts';
import type { GitRepository } from './refs.ts';

/** git 2.39 names them `tmp_objdir-incoming-…`, older ones `incoming-…`. */
const quarantineName = /^(tmp_objdir-)?incoming-[0-9A-Za-z]+$/;

export async function removeStaleQuarantine(path: string, olderThanMs: number): Promise<string[]> {
  const folder = join(path, 'objects');
  const removed: string[] = [];
  for (const name of await readdir(folder)) {
    if (!quarantineName.test(name)) continue;
    const { mtimeMs } = await stat(join(folder, name));
    if (Date.now() - Math.floor(mtimeMs) < olderThanMs) continue;
    await rm(join(folder, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}

export async function prune(repository: GitRepository, olderThanMs: number): Promise<void> {
  const seconds = Math.ceil(olderThanMs / 1000);
  const args = [`--git-dir=${repository.path}`, 'prune', `--expire=${seconds}.seconds.ago`];
  const result = await runGit(args, {
    environment: repository.environment,
    timeoutMs: repository.timeoutMs,
    maxOutputBytes: 1024 * 1024,
  });
  if (result.exitCode !== 0) throw new Error(`git prune: ${result.stderr}`);
}
