/** The process that may become a builder, `claim` in builder.bash, for as long as it is the worker's child. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failureOf, type Failure } from '@hephy/core';
import { SourceDamaged } from '@hephy/source';
import { builderScript } from './builder-script.ts';
import { codeOf } from './errors.ts';

export interface Claim {
  /**
   * Unpacks a commit's tarball into the `context/` of its start. Owners and special bits are dropped; GNU tar itself
   * takes `..` and leading slashes off names and lets no member pass through a link.
   */
  unpack(tarball: Readable, timeoutMs: number): Promise<Failure | undefined>;
  /** Answers whether it became the builder; if not, there is one already, or it was canceled. */
  go(): Promise<boolean>;
  /** Ends it, unless it has become the builder. */
  leave(): Promise<void>;
}

export function startClaim(input: {
  /** The builder's. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}): Claim {
  const child = spawn('bash', [builderScript, 'claim', ...input.words], {
    cwd: input.directory,
    env: input.environment,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const ended = endOf(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string | undefined> => {
    const { value, done } = await lines.next();
    return done ? undefined : value;
  };
  const word = child.stdio[3] as Writable;
  // When it has ended early, its own words tell why.
  word.on('error', () => undefined);
  let isBuilder = false;
  return {
    async unpack(tarball, timeoutMs) {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        killGroup(child);
      }, timeoutMs);
      try {
        const damage = await send(tarball, child.stdin);
        if (damage) return failureOf('SourceUnavailable', { detail: damage.message });
        if ((await nextLine()) === 'unpacked') return undefined;
        const { code, complaint } = await ended;
        if (isLate) {
          return failureOf('TimeLimitExceeded', { detail: 'unpacking the source took all of it' });
        }
        if (/No space left on device|Disk quota exceeded|Wrote only/.test(complaint)) {
          return failureOf('DiskFull', { detail: 'unpacking the source' });
        }
        return failureOf('SourceUnavailable', { detail: `tar exited ${code}: ${complaint}` });
      } finally {
        clearTimeout(timer);
      }
    },
    async go() {
      word.end('go\n');
      const line = await nextLine();
      isBuilder = line === 'started';
      if (isBuilder) child.unref();
      if (isBuilder || line === 'taken') return isBuilder;
      const { code, complaint } = await ended;
      throw new Error(`a builder could not be started: bash exited ${code}: ${complaint}`);
    },
    async leave() {
      if (isBuilder) return;
      killGroup(child);
      await ended;
    },
  };
}

/** Answers what is wrong with the tarball; that tar ended before it had all of it is told by its own words. */
async function send(tarball: Readable, stdin: Writable): Promise<SourceDamaged | undefined> {
  try {
    await pipeline(tarball, stdin);
  } catch (error) {
    if (error instanceof SourceDamaged) return error;
    const code = codeOf(error);
    if (code !== 'EPIPE' && code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  return undefined;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The exit code, null if it was killed, and the first of what it said. */
function endOf(child: ChildProcess): Promise<{ code: number | null; complaint: string }> {
  let complaint = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    if (complaint.length < 4096) complaint += bytes.toString();
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, complaint: error.message }));
    child.once('close', (code) => resolve({ code, complaint }));
  });
}
