/** The processes of a cluster: each with its log, and with a record by which a later program ends it, and no other. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive, killTree, parseIdentity } from '../../packages/drivers/src/process-tree.ts';
import type { ProcessIdentity } from '../../packages/drivers/src/process-tree.ts';
import { until } from '../parts/until.ts';

export interface ProcessToStart {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const Command = z.object({
  command: z.array(z.string()),
  env: z.record(z.string(), z.string()).optional(),
});

/** Most are Go programs, which have memory enough here, and two cores. */
const fewCollections = { GOGC: '400' };

/** Starts a process that outlives ours, in the place of one of that name. */
export async function startProcess(folder: string, process_: ProcessToStart): Promise<void> {
  const { name, command, env } = process_;
  await mkdir(join(folder, 'log'), { recursive: true });
  await mkdir(join(folder, 'process'), { recursive: true });
  await mkdir(join(folder, 'command'), { recursive: true });
  await writeFile(commandFile(folder, name), JSON.stringify({ command, env }));
  await stopProcess(folder, name);
  const log = await open(logFile(folder, name), 'a');
  try {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: folder,
      detached: true,
      env: { ...process.env, ...fewCollections, ...env },
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    await record(join(folder, 'process', name), child.pid ?? 0);
    child.unref();
  } finally {
    await log.close();
  }
}

/** Starts a stopped process as it was started before. */
export async function startAgain(folder: string, name: string): Promise<void> {
  const { command, env = {} } = Command.parse(
    JSON.parse(await readFile(commandFile(folder, name), 'utf8')),
  );
  await startProcess(folder, { name, command, env });
}

/** Waits for the process's work to be seen, and throws with its last words if it ends before. */
export async function untilReady(
  { folder, name }: { folder: string; name: string },
  look: () => Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  const started = await readRecord(join(folder, 'process', name));
  const ready = async () => {
    if (await look()) return true;
    if (started && (await isAlive(started))) return false;
    throw new Error(`${name} ended:\n${await lastWords(folder, name)}`);
  };
  try {
    await until(`${name} is ready`, ready, withinMs);
  } catch (cause) {
    throw new Error(`${name} did not start; its log ends so:\n${await lastWords(folder, name)}`, {
      cause,
    });
  }
}

export async function isRunning(folder: string, name: string): Promise<boolean> {
  const identity = await readRecord(join(folder, 'process', name));
  return identity !== undefined && (await isAlive(identity));
}

/** All that were started and not stopped, dead ones too. */
export async function recordedProcesses(folder: string): Promise<string[]> {
  return readIfThere(() => readdir(join(folder, 'process')), []);
}

/** Ends the process, its session and all that descends from them, which are containers where it is containerd. */
export async function stopProcess(folder: string, name: string): Promise<void> {
  const file = join(folder, 'process', name);
  const identity = await readRecord(file);
  if (identity) await until(`${name} has ended`, () => killTree(identity));
  await rm(file, { force: true });
}

/** Writes who a process is, so that `readRecord` can tell it from a later one with its number.
 *  Source: proc(5), field 22 of stat; the second field is in parentheses and may hold spaces. */
export async function record(file: string, pid: number): Promise<void> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  await writeFile(`${file}.new`, `${pid} ${startTime} ${bootId}`);
  await rename(`${file}.new`, file);
}

export async function readRecord(file: string): Promise<ProcessIdentity | undefined> {
  return parseIdentity(await readIfThere(() => readFile(file, 'utf8'), ''));
}

export async function readIfThere<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw error;
  }
}

function logFile(folder: string, name: string): string {
  return join(folder, 'log', `${name}.log`);
}

function commandFile(folder: string, name: string): string {
  return join(folder, 'command', `${name}.json`);
}

async function lastWords(folder: string, name: string): Promise<string> {
  const log = await readIfThere(() => readFile(logFile(folder, name), 'utf8'), '');
  return log.trimEnd().split('\n').slice(-12).join('\n');
}
