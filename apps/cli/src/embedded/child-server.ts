/** A server that `hephy up` runs as its child: started again when it dies, and gone when we are. */
import { spawn, type ChildProcess } from 'node:child_process';
import { open } from 'node:fs/promises';
import { UserError } from '../client/contexts.ts';

export interface ChildServerOptions {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  /** Where its output goes; the last run's only. */
  readonly logFile: string;
  /** Resolves once the server answers; rejects while it does not. */
  readonly probe: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface ChildServer {
  readonly pid: () => number | undefined;
  stop(): Promise<void>;
}

const readyWithinMs = 15_000;
const probeEveryMs = 25;
const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** A server that ran for so long did not fail to start. */
const steadyMs = 30_000;
const stopWithinMs = 5_000;

export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  const state: { child: ChildProcess | undefined; stopping: boolean } = {
    child: undefined,
    stopping: false,
  };
  let pauseMs = firstPauseMs;
  const startAgain = (why: string, cause?: unknown): void => {
    if (state.stopping) return;
    options.onError(new Error(`${options.name} ${why}; starting it again`, { cause }));
    setTimeout(() => void (state.stopping || start().catch(onNoStart)), pauseMs).unref();
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };
  const onNoStart = (error: unknown): void => startAgain('could not be started', error);
  const start = async (): Promise<void> => {
    const child = await spawnChild(options);
    const startedAt = performance.now();
    state.child = child;
    child.once('exit', (code, signal) => {
      if (performance.now() - startedAt > steadyMs) pauseMs = firstPauseMs;
      startAgain(`ended (${signal ?? code})`);
    });
  };
  await start();
  try {
    await untilReady(options, () => state.child);
  } catch (error) {
    state.stopping = true;
    state.child?.kill('SIGKILL');
    throw error;
  }
  return {
    pid: () => state.child?.pid,
    async stop() {
      state.stopping = true;
      await endChild(state.child);
    },
  };
}

async function spawnChild({
  argv,
  environment,
  logFile,
}: ChildServerOptions): Promise<ChildProcess> {
  const log = await open(logFile, 'w', 0o600);
  try {
    // The kernel ends the child when we are killed, so that a `kill -9` of us leaves no server behind.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      env: environment,
      stdio: ['ignore', log.fd, log.fd],
      // A Ctrl-C at our terminal is for us alone: we end it once nobody needs it any more.
      detached: true,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } finally {
    await log.close();
  }
}

async function untilReady(
  { name, probe, logFile }: ChildServerOptions,
  child: () => ChildProcess | undefined,
): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    try {
      return await probe();
    } catch (cause) {
      const ended = child()?.exitCode ?? null;
      if (ended !== null || Date.now() > deadline) {
        throw new UserError(`${name} did not start; its own words are in ${logFile}`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, probeEveryMs));
    }
  }
}

async function endChild(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await ended;
  clearTimeout(timer);
}
