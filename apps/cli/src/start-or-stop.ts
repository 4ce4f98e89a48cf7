import { DirectoryInUse } from '@hephy/store';
import { UserError } from './client/contexts.ts';
import type { ServiceProcess } from './process.ts';
import { systemRefusal } from './system-refusal.ts';

/**
 * Starts with `start`. If that fails, it is said in one sentence, all that runs already is stopped, and the process exits
 * with 1. The log gets a stack only of what the sentence does not explain.
 */
export async function startOrStop<T>(
  { settings, log, shutdown }: ServiceProcess,
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (error) {
    // A start that a signal interrupts fails too, because what it needs is closed.
    if (!shutdown.signal.aborted) {
      const refusal =
        error instanceof UserError || error instanceof DirectoryInUse
          ? error.message
          : systemRefusal(error, settings.listen);
      log.fatal(refusal ? { reason: refusal } : { err: error }, 'could not go on');
      process.stderr.write(`hephy: ${refusal ?? `${messages(error)}; the log has more`}\n`);
    }
    await shutdown.stop('could not go on', 1);
    throw error;
  }
}

/** What the error and its causes say in their first lines, the outermost first. */
function messages(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? line : `${line}: ${messages(cause)}`;
}
