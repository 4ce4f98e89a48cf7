/**
 * What a builder of the local driver is: a directory of its name.
 *
 *     spec.json       what it was asked to build
 *     start-<id>/     context/ and commands/ of one who tried to start it
 *     starter         who it is: made once, by a hard link (process id, start time, boot)
 *     log             what it printed, up to the bound
 *     cache, scratch/ for the backend; the cache is a link while we hold its lock
 *     digest          what the backend says that it pushed
 *     exit            `phase code`: made once, by a hard link, when it has ended
 */
import { link, lstat, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, isMissing } from './errors.ts';
import { isAlive, parseIdentity, type ProcessIdentity } from './process-tree.ts';

export interface BuilderDirectory {
  readonly path: string;
  readonly spec: string;
  readonly starter: string;
  readonly log: string;
  readonly cache: string;
  readonly scratch: string;
  readonly digest: string;
  readonly exit: string;
}

export const builderName = /^[a-z0-9][a-z0-9._-]{0,199}$/;

export function builderDirectory(directory: string, name: string): BuilderDirectory {
  if (!builderName.test(name)) throw new Error(`"${name}" is not a builder's name`);
  const own = path.join(directory, name);
  return {
    path: own,
    spec: path.join(own, 'spec.json'),
    starter: path.join(own, 'starter'),
    log: path.join(own, 'log'),
    cache: path.join(own, 'cache'),
    scratch: path.join(own, 'scratch'),
    digest: path.join(own, 'digest'),
    exit: path.join(own, 'exit'),
  };
}

/** Whether there is such a file or directory, or a link of that name, wherever it leads. */
export async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The file's text, or undefined if there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function readStarter(builder: BuilderDirectory): Promise<ProcessIdentity | undefined> {
  return parseIdentity((await readIfThere(builder.starter)) ?? '');
}

/** Whether nothing more will come from it: it has ended, it vanished, or it never was. */
export async function hasEnded(builder: BuilderDirectory): Promise<boolean> {
  if (await isThere(builder.exit)) return true;
  const starter = await readStarter(builder);
  return !starter || !(await isAlive(starter));
}

/** Makes the file whole or not at all; the first who makes it wins. Answers whether that was this call. */
export async function writeOnce(file: string, text: string, id: string): Promise<boolean> {
  const temporary = `${file}.${id}`;
  try {
    await writeWhole(temporary, text);
    await link(temporary, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Replaces the file in one step. */
export async function replaceFile(file: string, text: string, id: string): Promise<void> {
  const temporary = `${file}.${id}`;
  try {
    await writeWhole(temporary, text);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}
