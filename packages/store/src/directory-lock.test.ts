import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from './directory-lock.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hephy-lock-'));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

describe('the lock of a directory', () => {
  it('is given to one of ten askers, and after its release to the next', async () => {
    const asked = await Promise.allSettled(
      Array.from({ length: 10 }, () => lockDirectory(directory)),
    );
    const given = asked.filter(({ status }) => status === 'fulfilled');
    expect(given).toHaveLength(1);
    await expect(lockDirectory(directory)).rejects.toThrow(
      `${directory} is in use by process ${process.pid}`,
    );
    for (const answer of asked) if (answer.status === 'fulfilled') await answer.value.release();
    const next = await lockDirectory(directory);
    await next.release();
    expect(await readdir(directory)).toEqual(['lock.2']);
  });

  it('is taken from a process that is gone, by one of ten askers', async () => {
    await writeFile(join(directory, 'lock.41'), '999999999 boot 1');
    const asked = await Promise.allSettled(
      Array.from({ length: 10 }, () => lockDirectory(directory)),
    );
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(directory)).toEqual(['lock.42']);
  });

  it('is taken although the holder’s pid is in use again, by another process', async () => {
    await writeFile(join(directory, 'lock.1'), `${process.pid} another-boot 1`);
    await lockDirectory(directory);
    expect(await readdir(directory)).toEqual(['lock.2']);
  });

  it('makes a directory that is missing', async () => {
    await lockDirectory(join(directory, 'a', 'b'));
    expect(await readdir(join(directory, 'a', 'b'))).toEqual(['lock.1']);
  });
});
