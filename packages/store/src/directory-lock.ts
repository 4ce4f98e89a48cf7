/**
 * One process at a time in a directory. PGlite does not see to it, and two of them in one directory destroy the data.
 *
 * Lock files are numbered: `lock.1`, `lock.2`, …; each names its process. Whoever finds the highest one's process gone
 * makes the next number, which only one process can do; having made it, it looks again and yields if another one lives.
 * Nobody removes a number that is the highest, so a slow starter can never take a place that was taken meanwhile.
 */
import { link, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';

/** A living process has the directory. The message says which, and what to do. */
export class DirectoryInUse extends Error {}

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Makes the directory if it is missing. Throws `DirectoryInUse` if a living process, this one included, holds the lock. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const held = await listLocks(directory);
  refuseIfHeld(held, directory);
  const number = Math.max(0, ...held.map((lock) => lock.number)) + 1;
  const path = join(directory, `lock.${number}`);
  await makeLock(directory, path);
  const others = (await listLocks(directory)).filter((lock) => lock.number !== number);
  try {
    refuseIfHeld(others, directory);
  } catch (error) {
    await truncate(path);
    throw error;
  }
  const older = others.filter((lock) => lock.number < number);
  await Promise.all(
    older.map((lock) => rm(join(directory, `lock.${lock.number}`), { force: true })),
  );
  // An empty file names nobody. It stays, so that numbers only grow.
  return { release: () => truncate(path) };
}

interface Holder {
  readonly number: number;
  /** 0 if it was released. */
  readonly pid: number;
  readonly alive: boolean;
}

function refuseIfHeld(locks: readonly Holder[], directory: string): void {
  const holder = locks.find(({ alive }) => alive);
  if (!holder) return;
  throw new DirectoryInUse(
    `${directory} is in use by process ${holder.pid}; stop that process, or use another data directory`,
  );
}

async function makeLock(directory: string, path: string): Promise<void> {
  // Written aside first, so that nobody ever reads half a lock.
  const aside = join(directory, `making.${process.pid}.${crypto.randomUUID()}`);
  await writeFile(aside, await identityOf(process.pid));
  try {
    await link(aside, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    throw new DirectoryInUse(
      `${directory} was just taken by another process; use another data directory`,
      {
        cause: error,
      },
    );
  } finally {
    await rm(aside);
  }
}

async function listLocks(directory: string): Promise<Holder[]> {
  const names = (await readdir(directory)).filter((name) => /^lock\.\d+$/.test(name));
  return Promise.all(names.map((name) => readLock(directory, name)));
}

async function readLock(directory: string, name: string): Promise<Holder> {
  const number = Number(name.slice('lock.'.length));
  const text = await readIfThere(join(directory, name));
  const pid = Number.parseInt(text, 10) || 0;
  return { number, pid, alive: pid > 0 && text === (await identityOf(pid)) };
}

/** The pid and, on Linux, when it started in which boot: a pid alone is given to others again. Empty if there is none. */
async function identityOf(pid: number): Promise<string> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return '';
    if (errorCode(error) !== 'EPERM') throw error;
  }
  if (process.platform !== 'linux') return `${pid}`;
  const boot = await readIfThere('/proc/sys/kernel/random/boot_id');
  // Source: proc(5), field 22 of stat; the second field is in parentheses and may hold spaces.
  const stat = await readIfThere(`/proc/${pid}/stat`);
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return `${pid} ${boot.trim()} ${startedAt}`;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return '';
    throw error;
  }
}
