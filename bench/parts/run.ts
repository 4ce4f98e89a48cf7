import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a program to its end and answers what it printed; throws its own words when it fails. */
export async function run(
  [program, ...args]: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { stdout } = await execute(program, args, {
    env: { ...process.env, ...environment },
    maxBuffer: 2 ** 26,
    timeout: 600_000,
  });
  return stdout;
}
