/** CPU time of processes. Source: proc(5), `/proc/pid/stat`: fields 14 and 15, in hundredths of a second. */
import { readFile } from 'node:fs/promises';

const tickMs = 10;

/** What the processes have used since they began, with all their threads. */
export async function cpuMs(pids: readonly number[]): Promise<number> {
  const used = await Promise.all(pids.map(cpuMsOf));
  return used.reduce((sum, each) => sum + each, 0);
}

async function cpuMsOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // After the name, which may hold anything, in brackets.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}
