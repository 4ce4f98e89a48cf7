import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
let folder: string;
let checkout: string;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of the small checkout to its end. */
async function run(
  [command = '', ...args]: readonly string[],
  options: { path?: string; uid?: number } = {},
): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const { path = process.env['PATH'], uid } = options;
  const env = { ...process.env, PATH: path, CI: '' };
  const settings = { cwd: checkout, env, timeout: 60_000, ...(uid !== undefined && { uid }) };
  const child = execFile(command, args, settings, (error, stdout, stderr) => {
    const code = typeof error?.code === 'number' ? error.code : -1;
    resolve({ code: error === null ? 0 : code, stdout, stderr });
  });
  child.stdin?.end();
  return promise;
}

/** A checkout with these scripts and one package of its own, so that npm needs no network. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-checkout-'));
  await chmod(folder, 0o755);
  checkout = join(folder, 'hephy');
  for (const file of ['bin/hephy', '.ci/run', 'scripts', 'apps/cli/src/machine/needs.mjs']) {
    await cp(join(root, file), join(checkout, file), { recursive: true });
  }
  await mkdir(join(checkout, 'packages/own'), { recursive: true });
  await writeFile(join(checkout, 'packages/own/package.json'), '{"name":"own","version":"1.0.0"}');
  await writeFile(
    join(checkout, 'package.json'),
    '{"name":"small","workspaces":["packages/*"],"scripts":{"test":"echo CI is $CI && exit 3"}}',
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('scripts/setup.mjs', () => {
  const setup = [process.execPath, 'scripts/setup.mjs'];

  test('installs npm packages once, and again when package-lock.json has changed', async () => {
    const installing = {
      code: 0,
      stdout: 'setup: installing npm packages (npm ci) …\nsetup: preparing an empty database …\n',
      stderr: '',
    };
    const nothingToDo = { code: 0, stdout: '', stderr: '' };

    await run(['npm', 'install', '--package-lock-only']);
    expect(await run([...setup, 'run'])).toEqual(installing);
    expect(await readdir(join(checkout, 'node_modules'))).toContain('own');
    expect(await run([...setup, 'run'])).toEqual(nothingToDo);

    await writeFile(
      join(checkout, 'packages/own/package.json'),
      '{"name":"own","version":"1.0.1"}',
    );
    await run(['npm', 'install', '--package-lock-only']);
    expect(await run([...setup, 'run'])).toEqual(installing);
  });

  test('prints the one command and exits 1 for a user who may not install packages', async () => {
    const path = join(folder, 'path');
    await mkdir(path);
    await symlink('/usr/bin/apt-get', join(path, 'apt-get'));
    const user = process.getuid?.() === 0 ? { uid: 65_534 } : {};

    const { code, stdout, stderr } = await run([...setup, 'run'], { path, ...user });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(
      /^ {2}sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends .*buildah uidmap redis-server docker-registry'$/m,
    );
  });

  test('names what is missing and the other way on a machine without apt-get', async () => {
    const { code, stderr } = await run([...setup, 'run'], { path: folder });
    expect(code).toBe(1);
    expect(stderr).toContain('  buildah, to build images on this machine\n');
    expect(stderr).toContain('or run: docker compose up\n');
  });

  test('refuses a mode that it does not know', async () => {
    const { code, stderr } = await run([...setup, 'walk']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'usage: node scripts/setup.mjs run|test|cluster\n',
    });
  });
});

describe('bin/hephy', () => {
  beforeEach(async () => {
    await writeFile(
      join(checkout, 'apps/cli/src/main.ts'),
      'const words: string[] = process.argv.slice(2);\nconsole.log(words.join("|"));\n',
    );
  });

  test('says what to do before npm packages are there', async () => {
    const { code, stderr } = await run(['bin/hephy', 'up']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `hephy: ${checkout} has no npm packages yet; run npm start there once\n`,
    });
  });

  test('finds its checkout through links and hands on its arguments as they are', async () => {
    await mkdir(join(checkout, 'node_modules/.bin'), { recursive: true });
    await symlink(process.execPath, join(checkout, 'node_modules/.bin/node'));
    await symlink('hephy/bin/hephy', join(folder, 'first'));
    await symlink(join(folder, 'first'), join(folder, 'second'));
    const { code, stdout } = await run([join(folder, 'second'), 'logs', '-f', 'a b', '$HOME']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'logs|-f|a b|$HOME\n' });
  });

  test('takes the Node on PATH if npm brought none, unless that is too old', async () => {
    await mkdir(join(checkout, 'node_modules'));
    const withNode = `${dirname(process.execPath)}:/usr/bin:/bin`;
    expect(await run(['bin/hephy', 'up'], { path: withNode })).toMatchObject({ stdout: 'up\n' });

    const old = join(folder, 'node');
    await writeFile(old, '#!/bin/sh\necho 20\n', { mode: 0o755 });
    const { code, stderr } = await run(['bin/hephy', 'up'], { path: `${folder}:/usr/bin:/bin` });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^hephy: Node 24 or newer is needed; run npm start in /);
  });
});

test('.ci/run is npm test with CI=true, from wherever it is called, with its exit code', async () => {
  const { code, stdout } = await run([join(checkout, '.ci/run')]);
  expect(code).toBe(3);
  expect(stdout).toContain('CI is true\n');
});
