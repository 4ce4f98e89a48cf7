/** The paths that the backend opens by name. COPY and ADD look after links by themselves; these it would simply follow. */
import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { isMissing } from './errors.ts';

export type ContextPaths =
  | { readonly ok: true; readonly contextDirectory: string; readonly dockerfilePath: string }
  /** One sentence for the user. */
  | { readonly ok: false; readonly problem: string };

/** Finds what is asked for below `top`, and refuses what is missing or a link that leaves it. */
export async function findContextPaths(
  top: string,
  asked: { readonly contextPath: string; readonly dockerfilePath: string },
): Promise<ContextPaths> {
  const root = await realpath(top);
  const [contextDirectory, dockerfilePath] = await Promise.all([
    resolveBelow(root, asked.contextPath),
    resolveBelow(root, asked.dockerfilePath),
  ]);
  if (!contextDirectory) return refused(asked.contextPath);
  if (!dockerfilePath) return refused(asked.dockerfilePath);
  for (const ignoreFile of ['.containerignore', '.dockerignore']) {
    for (const file of [path.join(contextDirectory, ignoreFile), dockerfilePath + ignoreFile]) {
      if ((await isThere(file)) && !(await resolveBelow(root, path.relative(root, file)))) {
        return refused(path.relative(root, file));
      }
    }
  }
  return { ok: true, contextDirectory, dockerfilePath };
}

function refused(asked: string): ContextPaths {
  return {
    ok: false,
    problem: `the commit has no ${asked}, or it is a link that leads out of the commit`,
  };
}

async function resolveBelow(root: string, relative: string): Promise<string | undefined> {
  try {
    const found = await realpath(path.join(root, relative));
    return found === root || found.startsWith(root + path.sep) ? found : undefined;
  } catch (error) {
    if (isMissing(error) || isLoop(error)) return undefined;
    throw error;
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** A link to itself, or a file where a directory has to be. */
function isLoop(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ELOOP' || error.code === 'ENOTDIR')
  );
}
