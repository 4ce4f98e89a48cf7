import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A real git client as a user has it: an own identity, no prompts, nothing of this machine's settings. */
const clientEnvironment: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
};

export interface GitClientResult {
  exitCode: number | null;
  stdout: string;
  /** Progress bars and git's padding after `remote:` lines are taken off. */
  stderr: string;
}

export interface GitClientOptions {
  cwd: string;
  input?: string | Uint8Array;
  environment?: Readonly<Record<string, string>>;
}

export interface RunningGitClient {
  child: ChildProcess;
  result: Promise<GitClientResult>;
  /** Resolves when the text has appeared on standard error; rejects when git ends without it. */
  seen(text: string): Promise<void>;
  /** What Ctrl-C does: SIGINT to git and all that it started. */
  interrupt(): void;
}

/** Starts a git client in a process group of its own. */
export function startGitClient(
  args: readonly string[],
  { cwd, input, environment }: GitClientOptions,
): RunningGitClient {
  const child = spawn('git', [...args], {
    cwd,
    env: { ...clientEnvironment, ...environment },
    stdio: 'pipe',
    detached: true,
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const text = (): string => Buffer.concat(stderr).toString('utf8');
  const exited = Promise.withResolvers<GitClientResult>();
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  child.once('error', exited.reject);
  child.once('close', (exitCode) =>
    exited.resolve({
      exitCode,
      stdout: Buffer.concat(stdout).toString('utf8'),
      stderr: withoutPadding(text()),
    }),
  );
  return {
    child,
    result: exited.promise,
    interrupt: () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    },
    seen: (wanted) => {
      const found = Promise.withResolvers<void>();
      const look = (): void => {
        if (text().includes(wanted)) found.resolve();
      };
      child.stderr.on('data', look);
      child.once('close', () => found.reject(new Error(`never saw "${wanted}" in: ${text()}`)));
      look();
      return found.promise;
    },
  };
}

export function runGitClient(
  args: readonly string[],
  options: GitClientOptions,
): Promise<GitClientResult> {
  return startGitClient(args, options).result;
}

/** Runs git and gives its output without the last line feed; throws what git said when it fails. */
export async function gitOutput(
  args: readonly string[],
  options: GitClientOptions,
): Promise<string> {
  const { exitCode, stdout, stderr } = await runGitClient(args, options);
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')} exited ${exitCode}: ${stderr}`);
  return stdout.replace(/\n$/, '');
}

export interface WorkTree {
  path: string;
  git(...args: string[]): Promise<string>;
  /** Writes the files, commits them, and gives the commit. */
  commit(files: Readonly<Record<string, string | Uint8Array>>, message?: string): Promise<string>;
}

/** A new repository on branch `main` in an empty folder. */
export async function createWorkTree(path: string): Promise<WorkTree> {
  await mkdir(path, { recursive: true });
  const git = (...args: string[]): Promise<string> => gitOutput(args, { cwd: path });
  await git('init', '--quiet', '--initial-branch=main');
  return {
    path,
    git,
    async commit(files, message = 'change') {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(path, name)), { recursive: true });
        await writeFile(join(path, name), content);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '-m', message);
      return git('rev-parse', 'HEAD');
    },
  };
}

/** git ends each `remote:` line with eight spaces (it clears the terminal's line with them). */
function withoutPadding(text: string): string {
  return text
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('\r') + 1).replace(/ {8}$/, ''))
    .join('\n');
}
