import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { BuilderDirectory } from './builder-directory.ts';
import { builderScript } from './builder-script.ts';
import type { Containment } from './containment.ts';
import { codeOf, isMissing } from './errors.ts';

/** Before the name of a builder that is being removed. */
export const removing = '.removing-';

interface RemoveDeps {
  readonly contain: () => Promise<Containment>;
  readonly environment: Readonly<Record<string, string>>;
}

/** Out of the way in one step, so that no half of a builder is ever adopted; `list` still names what is left then. */
export async function removeBuilder(builder: BuilderDirectory, deps: RemoveDeps): Promise<void> {
  const aside = path.join(path.dirname(builder.path), removing + path.basename(builder.path));
  await removeTree(aside, deps);
  try {
    await rename(builder.path, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await removeTree(aside, deps);
}

/** In a user namespace builders make files that belong to users whom only such a namespace may touch. */
export async function removeTree(
  tree: string,
  { contain, environment }: RemoveDeps,
): Promise<void> {
  try {
    // Again if it is not empty: what is being stopped may still write into it.
    await rm(tree, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  } catch (error) {
    if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') throw error;
    await run([...(await contain()).asBuilder, 'rm', '-rf', '--', tree], environment);
  }
}

/** Throws a cache away that is larger, or that a killed builder left; one that is in use stays. */
export async function pruneCache(
  { cache, maxBytes }: { cache: string; maxBytes: number },
  { contain, environment }: RemoveDeps,
): Promise<void> {
  const limit = Math.floor(maxBytes / 1024 ** 2);
  await run(
    [...(await contain()).asBuilder, 'bash', builderScript, 'prune', cache, String(limit)],
    environment,
  );
}

async function run(
  [program = '', ...rest]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const child = spawn(program, rest, { env: environment, stdio: 'ignore', timeout: 60_000 });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${rest.join(' ')} ended with ${code ?? 'a signal'}`);
}
