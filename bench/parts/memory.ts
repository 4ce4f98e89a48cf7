/** What processes hold in memory, as Linux counts it. Source: proc(5), `/proc/pid/status`, `/proc/pid/clear_refs`. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Resident bytes now, and the most since `resetPeak`. */
export async function readMemory(pid: number): Promise<{ nowBytes: number; peakBytes: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { nowBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
}

/** The kernel counts the peak from now on. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** Adds up, every tenth of a second until stopped, what the git processes below `pid` hold; answers the most. */
export function watchGitBelow(pid: number): { stop(): Promise<number> } {
  const stopping = new AbortController();
  const watching = mostGitBytes(pid, stopping.signal);
  return {
    stop() {
      stopping.abort();
      return watching;
    },
  };
}

async function mostGitBytes(pid: number, stopping: AbortSignal): Promise<number> {
  let mostBytes = 0;
  while (!stopping.aborted) {
    mostBytes = Math.max(mostBytes, await gitBytesBelow(pid));
    await delay(100);
  }
  return mostBytes;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly residentBytes: number;
}

async function gitBytesBelow(ancestor: number): Promise<number> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(names.map(readProcess))).filter((one) => one !== undefined);
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === ancestor || isBelow(parent));
  };
  return all
    .filter(({ pid, name }) => name.startsWith('git') && isBelow(pid))
    .reduce((sum, { residentBytes }) => sum + residentBytes, 0);
}

const pageBytes = 4096;

/** Undefined for one that has ended meanwhile. Source: proc(5), `/proc/pid/stat`: fields 2, 4 and 24. */
async function readProcess(pid: string): Promise<Process | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const found = /^\d+ \((.*)\) (.*)$/s.exec(text);
  const fields = found?.[2]?.split(' ');
  if (!found?.[1] || !fields) return undefined;
  return {
    pid: Number(pid),
    parent: Number(fields[1]),
    name: found[1],
    residentBytes: Number(fields[21]) * pageBytes,
  };
}
