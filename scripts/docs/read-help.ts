import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface CommandHelp {
  /** The words after `hephy`; none for itself. */
  readonly words: readonly string[];
  /** What the real program prints for `--help`. */
  readonly text: string;
}

const run = promisify(execFile);

/** The help of `bin/hephy` and of all its commands, as a terminal shows them, in the order in which help names them. */
export async function readHelp(root: string): Promise<CommandHelp[]> {
  const cache = await mkdtemp(join(tmpdir(), 'hephy-docs-'));
  const environment = { PATH: process.env['PATH'], HOME: cache, NODE_COMPILE_CACHE: cache };
  const read = async (words: readonly string[]): Promise<CommandHelp[]> => {
    const { stdout } = await run(join(root, 'bin', 'hephy'), [...words, '--help'], {
      env: environment,
      timeout: 60_000,
    });
    const below = await Promise.all(commandsIn(stdout).map((name) => read([...words, name])));
    return [{ words, text: stdout.trimEnd() }, ...below.flat()];
  };
  try {
    return await read([]);
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

/** The commands that a help lists: indented by two, in any group but the arguments and the options. */
function commandsIn(help: string): string[] {
  const groups = help.split(/\n\n/).filter((group) => /^[A-Z][^\n]*:\n/.test(group));
  return groups
    .filter((group) => !/^(?:Usage|Arguments|Options):/.test(group))
    .flatMap((group) => [...group.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name))
    .filter((name) => name !== 'help');
}

/** The long and short flags that a help names: `--app`, `-a`. */
export function flagsIn({ text }: CommandHelp): Set<string> {
  return new Set([...text.matchAll(/(?<=^ {2}|, )--?[a-z-]+/gim)].map(([flag]) => flag));
}
