import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from './git-process.ts';
import { assertSha } from './refs.ts';
import type { GitRepository } from './refs.ts';

/**
 * A push from a shallow clone names the commits whose parents it does not have. git 2.39 cannot take
 * such a push together with proc-receive: it ends with "BUG: connectivity check skipped". So the
 * transport keeps the `shallow` lines from git and says the same beforehand in the repository's own
 * `shallow` file (gitrepository-layout(5)); git then checks the new commits against it as usual.
 */
export async function addShallowRoots(
  repository: GitRepository,
  roots: readonly string[],
): Promise<string[]> {
  const known = await readRoots(repository);
  const added: string[] = [];
  for (const root of roots) {
    // What has its history here already must not lose it: a ref reaches it, or will after a build that runs.
    if (!known.has(root) && !(await isComplete(repository, root))) added.push(root);
  }
  if (added.length > 0) await rewrite(repository, (known) => new Set([...known, ...added]));
  return added;
}

/** Takes back what `addShallowRoots` added, unless the push was kept. */
export async function settleShallowRoots(
  repository: GitRepository,
  added: readonly string[],
): Promise<void> {
  const unused = new Set<string>();
  for (const root of added) if (!(await isReachable(repository, root))) unused.add(root);
  if (unused.size > 0)
    await rewrite(repository, (known) => new Set([...known].filter((root) => !unused.has(root))));
}

/** Git's own check of what a push brings: all that the commit reaches, up to what refs reach, is here. */
async function isComplete(repository: GitRepository, sha: string): Promise<boolean> {
  const args = ['rev-list', '--objects', '--quiet', sha, '--not', '--all'];
  return (await git(repository, sha, args)).exitCode === 0;
}

async function isReachable(repository: GitRepository, sha: string): Promise<boolean> {
  const args = ['for-each-ref', '--count=1', '--format=%(refname)', `--contains=${sha}`];
  const { exitCode, stdout } = await git(repository, sha, args);
  return exitCode === 0 && stdout.length > 0;
}

function git(repository: GitRepository, sha: string, args: readonly string[]) {
  assertSha(sha);
  return runGit([`--git-dir=${repository.path}`, ...args], {
    environment: repository.environment,
    timeoutMs: repository.timeoutMs,
    maxOutputBytes: 64 * 1024,
  });
}

async function readRoots({ path }: GitRepository): Promise<Set<string>> {
  const text = await readFile(join(path, 'shallow'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    },
  );
  return new Set(text.split('\n').filter((line) => line !== ''));
}

async function rewrite(
  repository: GitRepository,
  change: (known: Set<string>) => Set<string>,
): Promise<void> {
  const path = join(repository.path, 'shallow');
  const roots = change(await readRoots(repository));
  if (roots.size === 0) return rm(path, { force: true });
  await writeFile(`${path}.new`, [...roots, ''].join('\n'));
  await rename(`${path}.new`, path);
}
