import type { Readable } from 'node:stream';
import { runGit, streamGit } from './git-process.ts';
import type { GitEnvironment } from './git-process.ts';
import { assertSha } from './refs.ts';
import type { GitRepository } from './refs.ts';

/** The objects of a push that pre-receive has not accepted yet (git-receive-pack(1), "Quarantine"). */
export interface Quarantine {
  /** `…/objects/tmp_objdir-incoming-…` */
  objectDirectory: string;
  alternateObjectDirectories: string;
}

export type BlobResult =
  | { kind: 'blob'; bytes: Buffer }
  | { kind: 'missing' }
  | { kind: 'not-a-file' }
  | { kind: 'too-large'; sizeBytes: number };

export interface TreeProblem {
  kind: 'submodule' | 'unsafe-path' | 'path-too-long' | 'too-many-files';
  /** As in the commit, control characters shown as `?`. */
  path: string;
}

export interface TreeProblemLimits {
  maxFiles: number;
  maxPathBytes: number;
  maxProblems: number;
}

export function archive(repository: GitRepository, sha: string, signal?: AbortSignal): Readable {
  assertSha(sha);
  return streamGit([`--git-dir=${repository.path}`, 'archive', '--format=tar', sha], {
    environment: repository.environment,
    timeoutMs: repository.timeoutMs,
    ...(signal ? { signal } : {}),
  });
}

/** Reads one file of a commit: at most `maxBytes`, never a folder, a symbolic link or a submodule. */
export async function readBlob(
  repository: GitRepository,
  blob: { sha: string; path: string; maxBytes: number; quarantine?: Quarantine },
): Promise<BlobResult> {
  assertSha(blob.sha);
  const options = {
    environment: {
      ...environmentWith(repository.environment, blob.quarantine),
      GIT_LITERAL_PATHSPECS: '1',
    },
    timeoutMs: repository.timeoutMs,
  };
  const git = `--git-dir=${repository.path}`;
  const list = await runGit(
    [git, 'ls-tree', '-z', '-l', '--full-tree', blob.sha, '--', blob.path],
    { ...options, maxOutputBytes: 1024 * 1024 },
  );
  if (list.exitCode !== 0) throw new Error(`git ls-tree: ${list.stderr}`);
  const found = /^(\d+) (\w+) ([0-9a-f]{40}) +(\d+|-)\t([^\0]*)\0$/.exec(
    list.stdout.toString('utf8'),
  );
  if (!found || found[5] !== blob.path) return { kind: 'missing' };
  if (!found[1]?.startsWith('100')) return { kind: 'not-a-file' };
  const sizeBytes = Number(found[4]);
  if (sizeBytes > blob.maxBytes) return { kind: 'too-large', sizeBytes };
  const read = await runGit([git, 'cat-file', 'blob', found[3] ?? ''], {
    ...options,
    maxOutputBytes: sizeBytes,
  });
  if (read.exitCode !== 0) throw new Error(`git cat-file: ${read.stderr}`);
  return { kind: 'blob', bytes: read.stdout };
}

export async function listTreeProblems(
  repository: GitRepository,
  tree: { sha: string; quarantine?: Quarantine },
  limits: Partial<TreeProblemLimits>,
): Promise<TreeProblem[]> {
  assertSha(tree.sha);
  const bounds = { maxFiles: 100_000, maxPathBytes: 1024, maxProblems: 20, ...limits };
  const problems: TreeProblem[] = [];
  let files = 0;
  for await (const entry of treeEntries(repository, tree)) {
    files += 1;
    const kind = files > bounds.maxFiles ? 'too-many-files' : problemOf(entry, bounds);
    if (kind !== undefined) problems.push({ kind, path: printable(entry.path) });
    if (files > bounds.maxFiles || problems.length >= bounds.maxProblems) break;
  }
  return problems;
}

interface TreeEntry {
  mode: string;
  path: Buffer;
}

async function* treeEntries(
  repository: GitRepository,
  tree: { sha: string; quarantine?: Quarantine },
): AsyncGenerator<TreeEntry> {
  const output = streamGit(
    [`--git-dir=${repository.path}`, 'ls-tree', '-r', '-z', '--full-tree', tree.sha],
    {
      environment: environmentWith(repository.environment, tree.quarantine),
      timeoutMs: repository.timeoutMs,
    },
  );
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of output) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0, start)) {
      yield parseEntry(rest.subarray(start, end));
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
}

/** `<mode> SP <type> SP <object> TAB <path>` */
function parseEntry(line: Buffer): TreeEntry {
  return { mode: line.toString('latin1', 0, 6), path: line.subarray(line.indexOf(9) + 1) };
}

function problemOf(entry: TreeEntry, limits: TreeProblemLimits): TreeProblem['kind'] | undefined {
  if (entry.mode === '160000') return 'submodule';
  if (entry.path.length > limits.maxPathBytes) return 'path-too-long';
  const parts = entry.path.toString('latin1').split('/');
  const unsafe = parts.some((part) => ['', '.', '..', '.git'].includes(part.toLowerCase()));
  return unsafe || entry.path.some((byte) => byte < 32 || byte === 127) ? 'unsafe-path' : undefined;
}

function printable(path: Buffer): string {
  return path
    .toString('utf8')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '?')
    .slice(0, 200);
}

function environmentWith(environment: GitEnvironment, quarantine?: Quarantine): GitEnvironment {
  if (quarantine === undefined) return environment;
  return {
    ...environment,
    GIT_OBJECT_DIRECTORY: quarantine.objectDirectory,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: quarantine.alternateObjectDirectories,
    GIT_QUARANTINE_PATH: quarantine.objectDirectory,
  };
}
