import type { App } from '@hephy/core';
import type { Quarantine, Repositories } from '@hephy/git';

/** A Dockerfile larger than this is a mistake, and would be read into memory. */
const maxDockerfileBytes = 1024 * 1024;

/**
 * What can be refused by looking at the commit alone, while its objects are still in quarantine. Answers the sentences
 * for the user, none if the commit can be built.
 */
export async function checkCommit(
  { app, sha, quarantine }: { app: App; sha: string; quarantine: Quarantine | undefined },
  repositories: Pick<Repositories, 'readBlob' | 'listTreeProblems'>,
): Promise<string[]> {
  const path = app.settings.dockerfilePath;
  const inQuarantine = quarantine ? { quarantine } : {};
  const dockerfile = await repositories.readBlob(app.id, {
    sha,
    path: path.replace(/^(\.\/)+/, ''),
    maxBytes: maxDockerfileBytes,
    ...inQuarantine,
  });
  const problems = await repositories.listTreeProblems(app.id, { sha, ...inQuarantine });
  return [...dockerfileProblems(dockerfile.kind, path), ...problems.map(describeProblem)];
}

function dockerfileProblems(
  kind: 'blob' | 'missing' | 'not-a-file' | 'too-large',
  path: string,
): string[] {
  switch (kind) {
    case 'blob':
      return [];
    case 'missing':
      return [
        `there is no ${path} in this commit; add one, or set dockerfilePath of the app to where it is`,
      ];
    case 'not-a-file':
      return [`${path} is not a file in this commit; name the Dockerfile itself in dockerfilePath`];
    case 'too-large':
      return [`${path} is larger than 1 MiB; that cannot be a Dockerfile`];
  }
}

function describeProblem({ kind, path }: { kind: string; path: string }): string {
  switch (kind) {
    case 'submodule':
      return `${path} is a submodule; its files would be missing from the build: commit them, or remove it`;
    case 'unsafe-path':
      return `${path} leaves the repository or is not a safe path; rename it`;
    case 'path-too-long':
      return `${path} is too long a path; shorten it`;
    default:
      return 'the commit has more than 100,000 files; keep generated files out of git';
  }
}
