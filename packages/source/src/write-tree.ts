/**
 * Makes the files of a tarball below one directory, which has to be empty and nobody else's meanwhile. Nothing is made
 * twice, replaced, or followed: a name that leads through a link or a file is refused, so nothing can be made outside.
 */
import {
  closeSync,
  futimesSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { readable, refused, type TarEntry } from './tar-header.ts';
import { UnpackError } from './unpack-error.ts';

export interface TreeWriter {
  /** Answers the open file of a file. */
  make(entry: TarEntry): OpenFile | undefined;
  /** Once all is made: what is put into a directory changes its time. */
  finish(): void;
}

export interface OpenFile {
  write(bytes: Uint8Array): void;
  close(): void;
}

export function createTreeWriter({
  directory,
  maxEntries,
}: {
  directory: string;
  maxEntries: number;
}): TreeWriter {
  const root = Buffer.from(directory).toString('latin1');
  const directories: { path: Buffer; modifiedAt: Date }[] = [];
  let made = 0;
  let entered: string | undefined;

  const count = (): void => {
    made += 1;
    if (made > maxEntries) {
      throw new UnpackError(
        'SourceTooLarge',
        `it has more than ${maxEntries} files and directories`,
      );
    }
  };
  // What was a directory stays one, so only a change of the directory is looked at.
  const enter = (parts: readonly string[], name: string): string => {
    const folder = [root, ...parts].join('/');
    if (folder === entered) return folder;
    let path = root;
    for (const part of parts) {
      path += `/${part}`;
      const found = lstatSync(bytesOf(path), { throwIfNoEntry: false });
      if (found?.isDirectory()) continue;
      if (found) throw refused(`${readable(name)} leads through a link or a file`);
      count();
      mkdirSync(bytesOf(path), 0o755);
    }
    entered = folder;
    return folder;
  };

  return {
    make(entry) {
      const { name, type, modifiedAt } = entry;
      const parts = partsOf(name);
      if (type === 'directory') {
        directories.push({ path: bytesOf(enter(parts, name)), modifiedAt });
        return undefined;
      }
      const last = parts.pop();
      if (last === undefined) throw refused(`a ${type} has no name`);
      const path = bytesOf(`${enter(parts, name)}/${last}`);
      count();
      if (type === 'file') return openNew(path, entry);
      symlinkSync(bytesOf(entry.target), path);
      lutimesSync(path, modifiedAt, modifiedAt);
      return undefined;
    },
    finish() {
      for (const { path, modifiedAt } of directories) utimesSync(path, modifiedAt, modifiedAt);
    },
  };
}

function openNew(path: Buffer, { executable, modifiedAt }: TarEntry): OpenFile {
  const file = openSync(path, 'wx', executable ? 0o755 : 0o644);
  return {
    write(bytes) {
      for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
    },
    close() {
      try {
        futimesSync(file, modifiedAt, modifiedAt);
      } finally {
        closeSync(file);
      }
    },
  };
}

function partsOf(name: string): string[] {
  if (name.startsWith('/')) throw refused(`${readable(name)} is an absolute path`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refused(`${readable(name)} leads upwards`);
  return parts;
}

function bytesOf(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}
