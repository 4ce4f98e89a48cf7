import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Readable } from 'node:stream';

const maxStderrBytes = 16 * 1024;

/** A Ctrl-C at our terminal is for us alone: we end git when its push has been told. */
export const ownSession = true;

export type GitEnvironment = Readonly<Record<string, string>>;

/**
 * The whole environment of every git that this room starts. No configuration of the service's user or
 * of the machine applies, and nothing of the service's own environment (tokens, GIT_TRACE) reaches git
 * or a hook.
 */
export function gitEnvironment({ path }: { path: string }): GitEnvironment {
  return {
    PATH: path,
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
  };
}

export interface GitRunOptions {
  environment: GitEnvironment;
  timeoutMs: number;
  /** More output than this ends the run with an error. */
  maxOutputBytes: number;
  input?: string;
  signal?: AbortSignal;
}

export interface GitResult {
  exitCode: number;
  stdout: Buffer;
  stderr: string;
}

/** Runs git to its end. An exit code is a value; no git, a signal, a timeout, too much output throw. */
export async function runGit(args: readonly string[], options: GitRunOptions): Promise<GitResult> {
  const git = startGit(args, options);
  git.child.stdin?.end(options.input ?? '');
  const chunks: Buffer[] = [];
  let bytes = 0;
  git.child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > options.maxOutputBytes) git.fail(new Error('it printed too much'));
    else chunks.push(chunk);
  });
  const exitCode = await git.ended;
  return { exitCode, stdout: Buffer.concat(chunks), stderr: git.stderr() };
}

/** git's standard output as a stream that fails (git's own words inside) unless git exits with 0. */
export function streamGit(
  args: readonly string[],
  options: Omit<GitRunOptions, 'maxOutputBytes'>,
): Readable {
  return Readable.from(outputOf(args, options), { objectMode: false, highWaterMark: 256 * 1024 });
}

async function* outputOf(
  args: readonly string[],
  options: Omit<GitRunOptions, 'maxOutputBytes'>,
): AsyncGenerator<Buffer> {
  const git = startGit(args, options);
  git.ended.catch(() => git.child.stdout?.destroy());
  git.child.stdin?.end(options.input ?? '');
  try {
    if (git.child.stdout) yield* readToEnd(git.child.stdout, git.ended);
    const exitCode = await git.ended;
    if (exitCode !== 0) throw new Error(`git ${nameOf(args)} exited ${exitCode}: ${git.stderr()}`);
  } finally {
    git.child.kill('SIGKILL');
  }
}

/** What a cut-off stream has to say is said by `ended`: why the child was stopped. */
async function* readToEnd(stdout: Readable, ended: Promise<number>): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stdout) yield chunk as Buffer;
  } catch (cause) {
    await ended;
    throw cause;
  }
}

interface StartedGit {
  child: ChildProcess;
  stderr(): string;
  /** Stops git; `ended` then rejects with this. */
  fail(cause: unknown): void;
  /** The exit code, once all output has been read. */
  ended: Promise<number>;
}

function startGit(
  args: readonly string[],
  options: Omit<GitRunOptions, 'maxOutputBytes'>,
): StartedGit {
  const child = spawn('git', [...args], {
    env: { ...options.environment },
    stdio: 'pipe',
    detached: ownSession,
  });
  const errors = boundedText(child.stderr, maxStderrBytes);
  const ended = Promise.withResolvers<number>();
  const fail = (cause: unknown): void => {
    ended.reject(new Error(`git ${nameOf(args)} was stopped`, { cause }));
    child.kill('SIGKILL');
  };
  const timer = setTimeout(
    () => fail(new Error(`it took more than ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  const onAbort = (): void => fail(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  // A git that stops reading early tells why by its exit code, not by our EPIPE.
  child.stdin.on('error', () => undefined);
  child.on('error', fail);
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
    if (code === null) fail(new Error(`killed by ${signal}`));
    else ended.resolve(code);
  });
  return { child, stderr: errors, fail, ended: ended.promise };
}

function nameOf(args: readonly string[]): string {
  return args.find((argument) => !argument.startsWith('-')) ?? '';
}

/** Reads a stream to its end and keeps its first bytes, so that a full pipe never stops the writer. */
export function boundedText(stream: Readable | null, maxBytes: number): () => string {
  const kept: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (bytes < maxBytes) kept.push(chunk.subarray(0, maxBytes - bytes));
    bytes += chunk.length;
  });
  return () => Buffer.concat(kept).toString('utf8').trim();
}

/** git before 2.39.1 can be made to run a pusher's code by `git archive` (CVE-2022-41903, -23521). */
export async function assertGitVersion(environment: GitEnvironment): Promise<string> {
  const oldest = [2, 39, 1] as const;
  const { stdout } = await runGit(['version'], {
    environment,
    timeoutMs: 10_000,
    maxOutputBytes: 4096,
  });
  const version = /^git version ((\d+)\.(\d+)(?:\.(\d+))?)/.exec(stdout.toString('utf8'));
  const parts = [version?.[2], version?.[3], version?.[4] ?? '0'].map(Number);
  const difference = oldest.map((part, index) => (parts[index] ?? Number.NaN) - part);
  const first = difference.find((value) => value !== 0) ?? 0;
  if (version?.[1] !== undefined && first >= 0) return version[1];
  throw new Error(
    `git ${oldest.join('.')} or newer is needed and ${version?.[1] ?? 'none'} was found; update git`,
  );
}
