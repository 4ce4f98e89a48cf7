/** A developer with `hephy` and git alone: from an app's first push to its fourth build. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { createWorkTree, startGitClient, type WorkTree } from '../parts/git-client.ts';
import { runHephy } from '../parts/run-hephy.ts';
import { tiny, waitsAt, type Service } from './ground.ts';

/** The lines of the push that the build printed, as `hephy logs` prints them. */
const buildLines = (stderr: string): string =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('remote: '))
    .map((line) => `${line.slice('remote: '.length)}\n`)
    .slice(1)
    .join('');

async function filesWith(folder: string, text: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1')));
  return files.filter((_file, at) => contents[at]?.includes(text));
}

export function commandLine(open: () => Pick<Service, 'hephy' | 'gate' | 'base'>): void {
  let shop: WorkTree;
  beforeAll(async () => {
    shop = await createWorkTree(join(open().hephy.folder, 'shop'));
  });

  /** What a user types in the repository. */
  const run = (args: string[]) => runHephy(args, { cwd: shop.path, hephy: open().hephy });
  const startPush = () => {
    const { environment, folder } = open().hephy;
    return startGitClient(['push', 'deis', 'main'], {
      cwd: shop.path,
      environment: { HEPHY_CONFIG: environment['HEPHY_CONFIG'] ?? '', HOME: folder },
    });
  };

  test('apps create makes the remote deis, a push asks for nothing, and no secret lies in the repository', async () => {
    const { hephy } = open();
    const created = await run(['apps', 'create', 'shop', '--platforms', 'linux/amd64']);
    expect(created.stdout).toContain(
      `Added the remote deis: ${hephy.gitUrl}/shop.git\nNow: git push deis main\n`,
    );
    expect(await shop.git('remote', 'get-url', 'deis')).toBe(`${hephy.gitUrl}/shop.git`);
    await shop.commit({ ...tiny, a: 'ä' });
    const pushed = await startPush().result;
    expect(pushed.exitCode).toBe(0);
    expect(await filesWith(shop.path, hephy.token)).toEqual([]);
    expect((await run(['apps'])).stdout).toMatch(/^shop +main +linux\/amd64$/m);

    const { stdout } = await run(['builds']);
    expect(stdout).toMatch(/^1 +succeeded +[0-9a-f]{8} +[\d.]+ m?s +operator +\d{4}-/m);
    const logs = await run(['logs']);
    expect(logs.stdout).toBe(buildLines(pushed.stderr));
    expect(logs.code).toBe(0);
    const again = await run(['apps', 'create', 'shop']);
    expect(again.stderr).toContain('the name "shop" is taken; choose another one');
  });

  test('logs -f says what the push says while it runs; cancel stops it; rebuild builds the commit again', async () => {
    const service = open();
    const { gate } = service;
    await run(['apps', 'set', 'timeLimitSeconds=600', 'buildArgs={"X":"1"}']);
    await shop.commit(waitsAt('cli', service));
    const client = startPush();
    await gate.arrived('cli');
    const following = run(['logs', '-f', '2']);
    gate.open('cli');
    const { stderr } = await client.result;
    const followed = await following;
    expect(followed.stdout).toBe(buildLines(stderr));
    expect(followed.code).toBe(0);

    await shop.commit(waitsAt('unwanted', service));
    const unwanted = startPush();
    await gate.arrived('unwanted');
    expect((await run(['cancel'])).stdout).toBe('Build 3 of shop is being canceled.\n');
    expect((await unwanted.result).stderr).toContain('(canceled: canceled by operator (build 3))');
    expect((await run(['logs', '3'])).code).toBe(1);

    const rebuilt = await run(['rebuild', '1']);
    expect(rebuilt.stdout).toMatch(
      /^Build 4 of shop builds [0-9a-f]{8} again\.\nWatch it: hephy logs -f 4 -a shop\n$/,
    );
    expect(await run(['logs', '-f', '4', '-a', 'shop'])).toMatchObject({ code: 0 });
  });
}
