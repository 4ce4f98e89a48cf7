import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where, beside the hooks, the service listens: `createHookServer({ socketPath: hookSocketPath(folder) })`. */
export function hookSocketPath(folder: string): string {
  return join(folder, 'socket');
}

/**
 * Writes the two hooks that `core.hooksPath` of every repository names. They are the same bytes
 * everywhere: what they have to say to the service is in git's and our own environment variables.
 */
export async function installHooks(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  for (const name of ['pre-receive', 'proc-receive']) {
    const text = await readFile(new URL(`${name}.sh`, import.meta.url));
    const path = join(folder, name);
    await writeFile(`${path}.new`, text, { mode: 0o700 });
    await rename(`${path}.new`, path);
  }
}
