import { runGit } from './git-process.ts';
import type { GitEnvironment } from './git-process.ts';
import { zeroSha } from './receive-commands.ts';
import { isFullRefName } from './ref-name.ts';

/** A repository to run git in. */
export interface GitRepository {
  path: string;
  environment: GitEnvironment;
  timeoutMs: number;
}

/** `conflict`: the ref is somewhere else by now, or another ref is in the way (`main/x` and `main`). */
export type MoveRefResult = { ok: true } | { ok: false; failure: RefConflict };

export interface RefConflict {
  reason: 'RefConflict';
  ref: string;
  /** Where the ref is now; `undefined` when it does not exist. */
  currentSha: string | undefined;
  message: string;
}

export async function readRef(repository: GitRepository, ref: string): Promise<string | undefined> {
  assertRef(ref);
  const { exitCode, stdout } = await git(repository, ['show-ref', '--verify', '--hash', '--', ref]);
  const sha = stdout.toString('utf8').trim();
  return exitCode === 0 && /^[0-9a-f]{40}$/.test(sha) ? sha : undefined;
}

/** Source: git-merge-base(1), "--is-ancestor": 0, 1, or an error. */
export async function contains(
  repository: GitRepository,
  { newer, older }: { newer: string; older: string },
): Promise<boolean> {
  assertSha(newer);
  assertSha(older);
  const { exitCode, stderr } = await git(repository, ['merge-base', '--is-ancestor', older, newer]);
  if (exitCode === 0 || exitCode === 1) return exitCode === 0;
  throw new Error(`git merge-base: ${firstLine(stderr)}`);
}

export async function moveRef(
  repository: GitRepository,
  { ref, newSha, oldSha }: { ref: string; newSha: string; oldSha: string },
): Promise<MoveRefResult> {
  assertRef(ref);
  assertSha(newSha);
  assertSha(oldSha);
  const args = newSha === zeroSha ? ['-d', ref, oldSha] : [ref, newSha, oldSha];
  const result = await git(repository, ['update-ref', ...args]);
  if (result.exitCode === 0) return { ok: true };
  const currentSha = await readRef(repository, ref);
  if ((currentSha ?? zeroSha) === newSha) return { ok: true };
  const message = firstLine(result.stderr);
  const inTheWay = /' exists; cannot create '/.test(message);
  // Where it was said to be, and not movable: a full disk, a lock that a killed git left. Another try may do better.
  if ((currentSha ?? zeroSha) === oldSha && !inTheWay)
    throw new Error(`git update-ref: ${message}`);
  return { ok: false, failure: { reason: 'RefConflict', ref, currentSha, message } };
}

export function assertSha(sha: string): void {
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new Error('a commit is not forty hex digits');
}

function assertRef(ref: string): void {
  if (!isFullRefName(ref)) throw new Error('a ref is not a full ref name');
}

function git(repository: GitRepository, args: readonly string[]) {
  return runGit([`--git-dir=${repository.path}`, ...args], {
    environment: repository.environment,
    timeoutMs: repository.timeoutMs,
    maxOutputBytes: 64 * 1024,
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
