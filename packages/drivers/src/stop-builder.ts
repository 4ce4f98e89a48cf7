import { setTimeout as delay } from 'node:timers/promises';
import { readIfThere, readStarter, writeOnce, type BuilderDirectory } from './builder-directory.ts';
import { isMissing } from './errors.ts';
import { killTree } from './process-tree.ts';

/** Killed processes are gone within milliseconds, unless the disk hangs. */
const killDeadlineMs = 10_000;

/** Takes the name if nobody has started it, so that nobody will; else kills it. */
export async function cancelBuilder(builder: BuilderDirectory, id: string): Promise<void> {
  try {
    // Looked at first: on a full disk nothing can be written, and what fills it has to be killed all the same.
    if ((await readIfThere(builder.starter)) === undefined) {
      await writeOnce(builder.starter, 'canceled\n', id);
    }
    if ((await readIfThere(builder.exit)) !== undefined) return;
    await stopBuilder(builder);
    await writeOnce(builder.exit, 'canceled 0', id);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Kills what runs of it, and answers when it is gone. */
export async function stopBuilder(builder: BuilderDirectory): Promise<void> {
  const starter = await readStarter(builder);
  if (!starter) return;
  const deadline = performance.now() + killDeadlineMs;
  while (!(await killTree(starter))) {
    if (performance.now() > deadline) {
      throw new Error(`the processes of ${builder.path} do not end (session ${starter.pid})`);
    }
    await delay(10);
  }
}
