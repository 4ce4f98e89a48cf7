/** The paths that the backend opens by name. COPY and ADD look after links by themselves; these it would simply follow. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { isThere } from './builder-directory.ts';
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
  const ignoreFiles = ['.containerignore', '.dockerignore'].flatMap((name) =>
    [path.join(contextDirectory, name), dockerfilePath + name].map((file) =>
      path.relative(root, file),
    ),
  );
  const leaves = await Promise.all(ignoreFiles.map((file) => leavesTop(root, file)));
  const outside = ignoreFiles.find((_, position) => leaves[position]);
  return outside === undefined ? { ok: true, contextDirectory, dockerfilePath } : refused(outside);
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

async function leavesTop(root: string, relative: string): Promise<boolean> {
  return (await isThere(path.join(root, relative))) && !(await resolveBelow(root, relative));
}

/** A link to itself, or a file where a directory has to be. */
function isLoop(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ELOOP' || error.code === 'ENOTDIR')
  );
}
