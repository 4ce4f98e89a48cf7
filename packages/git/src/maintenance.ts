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

/** More packs than these, and git puts them together; until then those of failed builds stay. */
const maxPacks = 20;

/**
 * Large pushes are kept as packs, which `git prune` does not look into: `git gc` takes them apart once they are many.
 * It leaves what is younger than `olderThanMs`, so a push under way loses nothing.
 */
export async function prune(repository: GitRepository, olderThanMs: number): Promise<void> {
  const age = `${Math.ceil(olderThanMs / 1000)}.seconds.ago`;
  const limits = { 'gc.auto': 6700, 'gc.autoPackLimit': maxPacks, 'gc.autoDetach': false };
  const settings = Object.entries(limits).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  await git(repository, [...settings, 'gc', '--auto', '--quiet', `--prune=${age}`]);
  await git(repository, ['prune', `--expire=${age}`]);
}

async function git(repository: GitRepository, args: readonly string[]): Promise<void> {
  const result = await runGit([`--git-dir=${repository.path}`, ...args], {
    environment: repository.environment,
    timeoutMs: repository.timeoutMs,
    maxOutputBytes: 1024 * 1024,
  });
  if (result.exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${result.stderr}`);
}
