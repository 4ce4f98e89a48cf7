import { execFile } from 'node:child_process';
import { hephyProgram } from './service-process.ts';

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a user types, who knows the servers that the service has told of. */
export function runHephy(
  args: readonly string[],
  where: {
    readonly cwd: string;
    readonly hephy: {
      readonly folder: string;
      readonly environment: Readonly<Record<string, string>>;
    };
    readonly environment?: Readonly<Record<string, string>>;
  },
): Promise<Said> {
  const { cwd, hephy, environment = {} } = where;
  const env = {
    PATH: process.env['PATH'],
    HOME: hephy.folder,
    HEPHY_CONFIG: hephy.environment['HEPHY_CONFIG'],
    ...environment,
  };
  return new Promise((resolve) => {
    const child = execFile(
      hephyProgram,
      args,
      { cwd, env, timeout: 60_000 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}
