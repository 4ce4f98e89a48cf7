import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Runs a command to its end and answers its standard output. Throws with its last words if it fails. */
export async function run(
  [program = '', ...args]: readonly string[],
  { cwd, env, input, timeoutMs = 60_000 }: RunOptions = {},
): Promise<string> {
  try {
    const running = execute(program, args, {
      cwd,
      env: { ...process.env, ...env },
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 1024 * 1024,
      timeout: timeoutMs,
    });
    running.child.stdin?.end(input);
    return (await running).stdout;
  } catch (cause) {
    const { stderr, stdout } = cause as { stderr?: string; stdout?: string };
    const words = stderr || stdout || String(cause);
    const last = words.trim().split('\n').slice(-8).join('\n');
    throw new Error(`${program} ${args[0] ?? ''} failed: ${last}`, { cause });
  }
}
