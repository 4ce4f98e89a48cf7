/** Processes as /proc shows them. Source: proc(5), /proc/pid/stat. */
import { readFile, readdir } from 'node:fs/promises';
import { codeOf } from './errors.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot: a number that comes again is another process. */
  readonly startTime: number;
  readonly bootId: string;
}

interface ProcessFacts {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly startTime: number;
}

/** `pid startTime bootId`, as builder.bash writes it. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+) ([0-9a-f-]{36})\n$/.exec(text);
  if (!match) return undefined;
  return { pid: Number(match[1]), startTime: Number(match[2]), bootId: match[3] ?? '' };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.bootId !== (await readBootId())) return false;
  const facts = await readProcess(identity.pid);
  return facts !== undefined && facts.startTime === identity.startTime && !hasEnded(facts);
}

/**
 * Kills the process, all of its session and all that descends from them, and answers whether none is left. A session
 * whose leader's number belongs to another process by now is a stranger's.
 */
export async function killTree(identity: ProcessIdentity): Promise<boolean> {
  if (identity.bootId !== (await readBootId())) return true;
  const tree = findTree(identity, await listProcesses());
  for (const { pid } of tree) kill(pid);
  return tree.length === 0;
}

function findTree(identity: ProcessIdentity, all: readonly ProcessFacts[]): ProcessFacts[] {
  const leader = all.find(({ pid }) => pid === identity.pid);
  if (leader && leader.startTime !== identity.startTime) return [];
  const found = new Set<number>();
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { pid, parent, session } of all) {
      if (session === identity.pid || found.has(parent)) found.add(pid);
    }
  }
  return all.filter((facts) => found.has(facts.pid) && !hasEnded(facts));
}

function hasEnded({ state }: ProcessFacts): boolean {
  return state === 'Z' || state === 'X';
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

async function listProcesses(): Promise<ProcessFacts[]> {
  const names = await readdir('/proc');
  const all = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => readProcess(Number(name))),
  );
  return all.filter((facts) => facts !== undefined);
}

async function readProcess(pid: number): Promise<ProcessFacts | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, and may hold anything.
    const [state = '', parent, , session, ...rest] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ');
    return {
      pid,
      state,
      parent: Number(parent),
      session: Number(session),
      startTime: Number(rest[15]),
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function isGone(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ESRCH' || code === 'ENOENT';
}
