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
    const refusal =
      error instanceof UserError || error instanceof DirectoryInUse
        ? error.message
        : systemRefusal(error, settings.listen);
    log.fatal(refusal ? { reason: refusal } : { err: error }, 'could not go on');
    process.stderr.write(`hephy: ${refusal ?? `${messages(error)}; the log has more`}\n`);
    await shutdown.stop('could not go on', 1);
    throw error;
  }
}

/** The messages of the error and of its causes, the outermost first. */
function messages(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${messages(error.cause)}`;
}
