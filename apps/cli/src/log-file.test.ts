import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLogFile } from './log-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-log-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('lines are added to the file, which only its owner may read', async () => {
  const path = join(folder, 'log');
  openLogFile(path).write('one\n');
  openLogFile(path).write('two\n');
  expect(await readFile(path, 'utf8')).toBe('one\ntwo\n');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a disk without space does not end the service', () => {
  const log = openLogFile('/dev/full');
  expect(() => {
    log.write('one\n');
    log.write('two\n');
  }).not.toThrow();
});
