/** The user's own git repository: its `deis` remote, and how git gets the token for it without asking. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from './contexts.ts';

const run = promisify(execFile);
const timeout = 10_000;
const remoteName = 'deis';

async function git(directory: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', ['-C', directory, ...args], { timeout });
  return stdout.trim();
}

export async function isRepository(directory: string): Promise<boolean> {
  return git(directory, 'rev-parse', '--git-dir').then(
    () => true,
    () => false,
  );
}

/**
 * Points the remote `deis` at the app, and lets git ask `hephy` for the token of that server alone. Neither the token
 * nor anything secret is written into the repository.
 */
export async function addRemote(input: {
  directory: string;
  gitUrl: string;
  appName: string;
  /** The `hephy` that git calls: an absolute path. */
  program: string;
}): Promise<string> {
  const { directory, gitUrl, appName, program } = input;
  const url = `${gitUrl}/${appName}.git`;
  const known = await git(directory, 'remote').then((names) => names.split('\n'));
  await git(directory, 'remote', known.includes(remoteName) ? 'set-url' : 'add', remoteName, url);
  const helper = `credential.${gitUrl}.helper`;
  // An empty helper first: it makes git forget those of the user's own configuration, for this server alone.
  await git(directory, 'config', '--replace-all', helper, '');
  await git(directory, 'config', '--add', helper, `!${shellQuoted(program)} credential`);
  return url;
}

/** Git runs the helper with a shell; the path is ours, and may hold spaces. */
function shellQuoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}

/** The app that the repository's `deis` remote names. */
export async function appOfRepository(directory: string): Promise<string> {
  const url = await git(directory, 'remote', 'get-url', remoteName).catch((cause: unknown) => {
    throw new UserError(
      'which app? say it with -a NAME, or run this inside a repository with a deis remote',
      { cause },
    );
  });
  const name = /\/([a-z0-9-]+)\.git$/.exec(url)?.[1];
  if (!name) throw new UserError(`the remote deis (${url}) names no app; say it with -a NAME`);
  return name;
}
