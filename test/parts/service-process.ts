import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The command that users call. */
export const hephyProgram = fileURLToPath(new URL('../../bin/hephy', import.meta.url));

export interface ServiceProcess {
  readonly pid: number;
  /** All that it has printed. */
  stdout(): string;
  /** Sends the signal and waits for the end: the exit code, null if the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const readyWithinMs = 60_000;

/** Starts `hephy <args>` and waits until it has printed `ready`. Its log, on standard error, is added to `logFile`. */
export async function startServiceProcess(input: {
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  logFile: string;
  ready: string;
  /** Words before the command line, such as those that give it other mounts. */
  within?: readonly string[];
}): Promise<ServiceProcess> {
  const log = await open(input.logFile, 'a', 0o600);
  // Should the tests themselves be killed, the service goes with them.
  const words = ['--pdeathsig', 'KILL', ...(input.within ?? []), hephyProgram, ...input.args];
  const child = spawn('setpriv', words, {
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...input.environment },
    stdio: ['ignore', 'pipe', log.fd],
  });
  let printed = '';
  let exitCode: number | null | undefined;
  const exited = once(child, 'exit').then(([code]) => (exitCode = code as number | null));
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string): void => reject(new Error(`hephy ${input.args.join(' ')} ${why}`));
  const timer = setTimeout(() => fail('was not ready in time'), readyWithinMs);
  child.stdout?.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
    if (printed.includes(input.ready)) resolve();
  });
  void exited.then((code) => fail(`ended with ${code} before it was ready`));
  try {
    await ready;
  } catch (error) {
    child.kill('SIGKILL');
    const tail = await logTail(input.logFile);
    throw new Error(`${(error as Error).message}\n${tail}`, { cause: error });
  } finally {
    clearTimeout(timer);
    await log.close();
  }
  return {
    pid: child.pid ?? 0,
    stdout: () => printed,
    end: async (signal) => {
      if (exitCode !== undefined) return exitCode;
      child.kill(signal);
      return exited;
    },
  };
}

export async function logTail(logFile: string): Promise<string> {
  return (await readFile(logFile, 'utf8')).split('\n').slice(-25).join('\n');
}

export interface MachineProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process of this machine whose command line holds the text. */
export async function processesWith(text: string): Promise<MachineProcess[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(
    names.map(async (name) => ({ pid: Number(name), command: await commandLine(name) })),
  );
  return all.filter(({ command }) => command.includes(text));
}

/** Kills them; one that has ended since it was listed is fine. */
export async function killProcessesWith(text: string): Promise<void> {
  for (const { pid } of await processesWith(text)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** Empty for a process that has ended. */
async function commandLine(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.replaceAll('\0', ' ').trim();
}
