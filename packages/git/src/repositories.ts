import { mkdir, mkdtemp, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { runGit } from './git-process.ts';
import type { GitEnvironment, GitResult } from './git-process.ts';
import * as objects from './objects.ts';
import type { BlobResult, Quarantine, TreeProblem, TreeProblemLimits } from './objects.ts';
import { prune, removeStaleQuarantine } from './maintenance.ts';
import { contains, moveRef, readRef } from './refs.ts';
import type { MoveRefResult } from './refs.ts';
import { addShallowRoots, settleShallowRoots } from './shallow.ts';
import { repositoryConfig } from './repository-config.ts';
import type { RepositorySettings } from './repository-config.ts';

export interface RepositoriesOptions {
  /** The folder of all repositories; made when missing. */
  root: string;
  /** The folder of `installHooks`. */
  hooksPath: string;
  environment: GitEnvironment;
  /** Seconds of silence after which git sends the client a keep-alive. */
  keepAliveSeconds?: number;
  timeoutMs?: number;
}

/** The bare repositories of all apps: one folder each, named by the app's id, never by its name. */
export interface Repositories {
  readonly environment: GitEnvironment;
  pathOf(appId: string): string;
  /** Makes the repository when it is missing, and its configuration what it should be. Safe to repeat. */
  ensure(appId: string, settings: RepositorySettings): Promise<string>;
  /** The forty hex digits of a full ref name, or `undefined`. */
  readRef(appId: string, ref: string): Promise<string | undefined>;
  /** Whether `newer` has `older` in its history, as far as it is here. */
  contains(appId: string, commits: { newer: string; older: string }): Promise<boolean>;
  /** Compare and set; a ref that is at `newSha` already is fine. Forty zeros: no ref. Throws what may pass. */
  updateRef(
    appId: string,
    move: { ref: string; newSha: string; oldSha: string },
  ): Promise<MoveRefResult>;
  /** The commit's files as an uncompressed tar; the stream fails unless git exits with 0. */
  archive(appId: string, sha: string, options?: { signal?: AbortSignal }): Readable;
  readBlob(
    appId: string,
    blob: { sha: string; path: string; maxBytes: number; quarantine?: Quarantine },
  ): Promise<BlobResult>;
  /** Submodules and paths that a build cannot take, at most `limits.maxProblems`. */
  listTreeProblems(
    appId: string,
    tree: { sha: string; quarantine?: Quarantine },
    limits?: Partial<TreeProblemLimits>,
  ): Promise<TreeProblem[]>;
  /** Lets the next push end at these commits; returns those that `settleShallowRoots` is to look at. */
  addShallowRoots(appId: string, roots: readonly string[]): Promise<string[]>;
  settleShallowRoots(appId: string, added: readonly string[]): Promise<void>;
  /** Removes what interrupted pushes left in `objects/`; returns the names. */
  removeStaleQuarantine(appId: string, olderThanMs: number): Promise<string[]>;
  /** Removes objects that no ref reaches and that are older than this; those in packs once packs are many. */
  prune(appId: string, olderThanMs: number): Promise<void>;
}

export function createRepositories(options: RepositoriesOptions): Repositories {
  const { environment } = options;
  const timeoutMs = options.timeoutMs ?? 60_000;
  const pathOf = (appId: string): string => {
    if (!/^[0-9A-Za-z_-]{1,64}$/.test(appId)) throw new Error('an app id has an unexpected form');
    return join(options.root, `${appId}.git`);
  };
  const git = (appId: string) => ({ path: pathOf(appId), environment, timeoutMs });
  const ensuring = new Map<string, Promise<string>>();

  return {
    environment,
    pathOf,
    ensure(appId, settings) {
      // One at a time per repository: two pushes may arrive while it is being made.
      const before = ensuring.get(appId) ?? Promise.resolve('');
      const next = before
        .catch(() => '')
        .then(() => ensureRepository({ path: pathOf(appId), settings }, options));
      ensuring.set(appId, next);
      const forget = (): void => {
        if (ensuring.get(appId) === next) ensuring.delete(appId);
      };
      next.then(forget, forget);
      return next;
    },
    readRef: (appId, ref) => readRef(git(appId), ref),
    contains: (appId, commits) => contains(git(appId), commits),
    updateRef: (appId, move) => moveRef(git(appId), move),
    archive: (appId, sha, { signal } = {}) =>
      objects.archive({ ...git(appId), timeoutMs: 30 * 60_000 }, sha, signal),
    readBlob: (appId, blob) => objects.readBlob(git(appId), blob),
    listTreeProblems: (appId, tree, limits = {}) =>
      objects.listTreeProblems(git(appId), tree, limits),
    addShallowRoots: (appId, roots) => addShallowRoots(git(appId), roots),
    settleShallowRoots: (appId, added) => settleShallowRoots(git(appId), added),
    removeStaleQuarantine: (appId, olderThanMs) =>
      removeStaleQuarantine(pathOf(appId), olderThanMs),
    prune: (appId, olderThanMs) => prune({ ...git(appId), timeoutMs: 30 * 60_000 }, olderThanMs),
  };
}

async function ensureRepository(
  repository: { path: string; settings: RepositorySettings },
  options: RepositoriesOptions,
): Promise<string> {
  if (!(await exists(join(repository.path, 'HEAD')))) await initialise(repository.path, options);
  const file = join(repository.path, 'config');
  const wanted = repositoryConfig(repository.settings, {
    hooksPath: options.hooksPath,
    keepAliveSeconds: options.keepAliveSeconds ?? 5,
  });
  if ((await readFile(file, 'utf8')) !== wanted) {
    await writeFile(`${file}.new`, wanted, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return realpath(repository.path);
}

/** Made under another name and moved: a half-made repository is never seen. */
async function initialise(path: string, options: RepositoriesOptions): Promise<void> {
  await mkdir(options.root, { recursive: true, mode: 0o700 });
  const temporary = await mkdtemp(join(options.root, 'new-'));
  try {
    const result: GitResult = await runGit(
      ['init', '--quiet', '--bare', '--template=', '--initial-branch=main', '--', temporary],
      { environment: options.environment, timeoutMs: 30_000, maxOutputBytes: 64 * 1024 },
    );
    if (result.exitCode !== 0) throw new Error(`git init: ${result.stderr}`);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
