/** What every long-running role of this process has: settings from the environment, a logger, a graceful stop. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  createLogger,
  createShutdown,
  environmentTable,
  readEnvironment,
  type Logger,
  type Settings,
  type Shutdown,
} from '@hephy/runtime';
import { defaultCacheDir } from './cache-directory.ts';
import { UserError } from './client/contexts.ts';
import { openLogFile } from './log-file.ts';
import { systemFolders } from './machine/needs.mjs';

export interface ServiceProcess {
  readonly settings: Settings;
  /** Where programs are found. */
  readonly path: string;
  /** For programs of others: the environment without what is ours. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What is expensive to make, and may be deleted. */
  readonly cacheDirectory: string;
  readonly log: Logger;
  /** The file that the log goes to; undefined for standard error. */
  readonly logFile: string | undefined;
  readonly shutdown: Shutdown;
}

type FromEnvironment = Pick<ServiceProcess, 'settings' | 'path' | 'environment' | 'cacheDirectory'>;

/** Reads the settings, and takes secrets out of the environment, so that no child inherits them. */
export function readSettings(environment: NodeJS.ProcessEnv): FromEnvironment {
  const read = readEnvironment(environment);
  if (!read.ok) throw new UserError(read.problems.join('\n'));
  for (const { name, secret } of environmentTable) if (secret) delete environment[name];
  return {
    settings: { ...read.settings, dataDirectory: resolve(read.settings.dataDirectory) },
    // Builders are contained with /usr/sbin/pivot_root.
    path: [environment['PATH'] ?? '/usr/bin:/bin', ...systemFolders].join(':'),
    environment: withoutOurs(environment),
    cacheDirectory: defaultCacheDir(environment),
  };
}

function withoutOurs(environment: NodeJS.ProcessEnv): FromEnvironment['environment'] {
  const theirs = Object.entries(environment).filter(([name]) => !name.startsWith('HEPHY_'));
  return Object.fromEntries(theirs);
}

export async function startProcess(
  known: FromEnvironment,
  { name, logToFile }: { name: string; logToFile: boolean },
): Promise<ServiceProcess> {
  keepLittleOfPools();
  const { settings } = known;
  const logFile = logToFile ? join(settings.dataDirectory, `${name}.log`) : undefined;
  if (logFile) await mkdir(settings.dataDirectory, { recursive: true, mode: 0o700 });
  const destination = logFile ? openLogFile(logFile) : process.stderr;
  const log = createLogger({ level: settings.logLevel, name, destination });
  const shutdown = createShutdown({
    signals: process,
    graceMs: settings.shutdownMs,
    log,
    exit: (code) => process.exit(code),
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    void shutdown.stop('unhandled rejection', 1);
  });
  return { ...known, log, logFile, shutdown };
}

/**
 * Node cuts small buffers out of slabs of 64 KiB, and whoever keeps one keeps its slab. Each followed log keeps two or
 * three: with slabs as they were before Node 24, 500 of them are some 30 MB less.
 */
function keepLittleOfPools(): void {
  Buffer.poolSize = 8 * 1024;
}
