import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findNeed, installCommand, needsOf } from './needs.mjs';
import type { MachineNeed, SetupMode } from './needs.mjs';

const subordinateIdsFile = '/etc/subuid';

export interface Machine {
  readonly isRoot: boolean;
  readonly userName: string;
  /** As in PATH. */
  readonly searchPath: string;
  /** The text of /etc/subuid; undefined if there is none. */
  readonly subordinateIds: string | undefined;
}

export interface MachineFinding {
  readonly need: MachineNeed;
  /** Where it is; undefined if the machine lacks it. */
  readonly path: string | undefined;
}

export interface MachineReport {
  readonly ok: boolean;
  readonly findings: readonly MachineFinding[];
  /** Each a sentence with what to do; empty when nothing is missing. */
  readonly advice: readonly string[];
}

/** What this process's machine is, for `inspectMachine`. */
export function thisMachine(): Machine {
  return {
    isRoot: process.getuid?.() === 0,
    userName: userInfo().username,
    searchPath: process.env['PATH'] ?? '',
    subordinateIds: existsSync(subordinateIdsFile)
      ? readFileSync(subordinateIdsFile, 'utf8')
      : undefined,
  };
}

/** Compares the machine with what a mode needs, as the setup script does, and says how to get the rest. */
export function inspectMachine(mode: SetupMode, machine: Machine): MachineReport {
  const findings = needsOf(mode, machine).map((need) => ({ need, path: findNeed(need, machine) }));
  const missing = findings.filter(({ path }) => path === undefined).map(({ need }) => need);
  const advice = [
    ...(missing.length > 0 ? [`Install what is missing: ${installCommand(missing)}`] : []),
    ...(mayMapUsers(machine) ? [] : [subordinateIdsAdvice(machine)]),
  ];
  return { ok: advice.length === 0, findings, advice };
}

/** The report as a table of lines, and the advice below it. */
export function describeMachine({ findings, advice }: MachineReport): string[] {
  const width = Math.max(...findings.map(({ need }) => need.name.length));
  const lines = findings.map(({ need, path }) => {
    const what = path ?? `needed to ${need.purpose} (Debian package ${need.debianPackage})`;
    return `${path === undefined ? 'missing' : 'ok     '}  ${need.name.padEnd(width)}  ${what}`;
  });
  return [...lines, ...advice];
}

/** A user who is not root builds in a user namespace, whose ids come from a range of the user's own.
 *  Without it a Dockerfile's RUN fails. Source: subuid(5). */
function mayMapUsers({ isRoot, userName, subordinateIds }: Machine): boolean {
  const users = subordinateIds?.split('\n').map((line) => line.split(':', 1)[0]) ?? [];
  return isRoot || users.includes(userName);
}

function subordinateIdsAdvice({ userName }: Machine): string {
  const range = '100000-165535';
  const command = `sudo usermod --add-subuids ${range} --add-subgids ${range} ${userName}`;
  return `Let ${userName} run a Dockerfile's RUN steps without root: ${command}`;
}
