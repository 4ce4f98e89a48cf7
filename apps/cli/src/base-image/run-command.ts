import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const maxOutputBytes = 16 * 1024 * 1024;

/** Runs a command to its end. Throws with its last words if it fails, and kills it at the deadline. */
export async function runCommand(
  [command = '', ...args]: readonly string[],
  { cwd, timeoutMs }: { cwd?: string; timeoutMs: number },
): Promise<void> {
  try {
    await execute(command, args, {
      cwd,
      killSignal: 'SIGKILL',
      maxBuffer: maxOutputBytes,
      timeout: timeoutMs,
    });
  } catch (cause) {
    throw new Error(`${command} failed: ${lastWords(cause)}`, { cause });
  }
}

function lastWords(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const stderr = 'stderr' in cause && typeof cause.stderr === 'string' ? cause.stderr : '';
  const words = stderr || cause.message;
  return words.trim().split('\n').slice(-3).join(' / ');
}
