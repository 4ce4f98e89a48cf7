import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import { createWorkTree, startGitClient, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { runHephy } from '../parts/run-hephy.ts';
import { processesWith } from '../parts/service-process.ts';
import { until } from '../parts/until.ts';
import { commandLine } from './command-line.ts';

let hephy: Hephy;
let gate: Gate;
let tree: WorkTree;
let base: string;
beforeAll(async () => {
  [hephy, gate] = await Promise.all([startHephy(), startGate()]);
  base = await hephy.baseImage();
  tree = await createWorkTree(join(hephy.folder, 'tree'));
});
afterAll(() => Promise.all([hephy?.close(), gate?.close()]));
showLogOnFailure(() => hephy);

/** What a user types in the repository. */
const run = (args: string[], { cwd = tree.path, environment = {} } = {}) =>
  runHephy(args, { cwd, environment, hephy });

test('the platforms are those of this machine', async () => {
  const listed = await until('a worker has looked', async () => {
    const { stdout } = await run(['platforms']);
    return stdout.includes('PLATFORM') && stdout;
  });
  expect(listed).toMatch(/^PLATFORM +READY\nlinux\/amd64 +1 of 1\nAs a worker saw it at /);
});

test('help names every command; what is wrong is said in a sentence', async () => {
  const help = await run(['--help']);
  for (const command of ['up', 'demo', 'doctor', 'apps', 'builds', 'logs', 'cancel', 'rebuild']) {
    expect(help.stdout).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
  }
  expect(help.code).toBe(0);
  expect(await run(['--version'])).toMatchObject({ stdout: '0.1.0\n', code: 0 });
  const wrong: [string[], RegExp, object?][] = [
    [['frobnicate'], /unknown command 'frobnicate'/],
    [
      ['builds'],
      /hephy: which app\? say it with -a NAME, or run this inside a repository with a deis remote\n/,
    ],
    [['builds', '-a', 'nothing'], /hephy: there is no app "nothing" that you may read/],
    [['platforms', '-a', 'nothing'], /hephy: there is no app "nothing" that you may read/],
    [['apps', 'create', 'Not_A_Name'], /hephy: .*lower-case letters, digits and dashes/],
    [['apps', 'create', 'shop', '--platforms', 'linux/amd46'], /hephy: .*linux\/amd46/],
    [
      ['apps', 'set', 'nonsense', '-a', 'shop'],
      /hephy: nonsense is not key=value, such as timeLimitSeconds=600\n/,
    ],
    [['login', 'nowhere'], /hephy: nowhere is not a URL; name the API/],
    [
      ['builds', '-a', 'x'],
      /hephy: no server is known here; start one with `npm start`, or name one with `hephy login URL`\n/,
      { environment: { HEPHY_CONFIG: '/nonexistent' } },
    ],
    [
      ['worker'],
      /hephy: hephy worker needs HEPHY_DATABASE_URL, HEPHY_REDIS_URL and HEPHY_REGISTRY; hephy up runs all roles without them\n/,
    ],
    [
      ['up'],
      /hephy: HEPHY_LISTEN_GIT is not valid; set it to host:port; port 0 takes a free one\n/,
      { environment: { HEPHY_LISTEN_GIT: 'nonsense' } },
    ],
    [
      ['up'],
      /hephy: HEPHY_LISTEN_GITT is not a variable of ours; did you mean HEPHY_LISTEN_GIT\?\n/,
      { environment: { HEPHY_LISTEN_GITT: '127.0.0.1:0' } },
    ],
  ];
  const said = await Promise.all(wrong.map(([args, , options]) => run(args, options)));
  for (const [at, [args, sentence]] of wrong.entries()) {
    const { code, stderr } = said[at] ?? {};
    const told = expect.stringMatching(sentence) as string;
    expect({ args, code, stderr }).toEqual({ args, code: 1, stderr: told });
    // A sentence, not a stack.
    expect(stderr).not.toMatch(/^\s+at /m);
  }
});

test('doctor says that this machine has all that it needs', async () => {
  const { stdout, code } = await run(['doctor']);
  expect(stdout).toMatch(/^ok +buildah +\/\S+$/m);
  expect(stdout).not.toMatch(/missing/);
  expect(code).toBe(0);
});

test('doctor says that the bucket does not answer, and which setting is wrong', async () => {
  const environment = {
    HEPHY_S3_BUCKET: 'sources',
    HEPHY_S3_ENDPOINT: 'http://127.0.0.1:1',
    HEPHY_S3_ACCESS_KEY_ID: 'key',
    HEPHY_S3_SECRET_ACCESS_KEY: 'secret',
  };
  const { stdout, code } = await run(['doctor'], { environment });
  expect(stdout).toContain('missing  bucket: the bucket sources does not answer (ECONNREFUSED)\n');
  expect(code).toBe(1);
  const wrong = await run(['doctor'], { environment: { HEPHY_S3_BUCKET: 'https://s3/b' } });
  expect(wrong.stderr).toMatch(/^hephy: HEPHY_S3_BUCKET is not valid; set it to the name of a/);
});

commandLine(() => ({ hephy, gate, base }));

test('no token and no hook secret is in the log, in Redis, or in the arguments of any process', async () => {
  const settings = ['--platforms', 'linux/amd64', '--hook', 'http://127.0.0.1:1/'];
  const made = await run(['apps', 'create', 'secretive', ...settings]);
  const secret = /signs with (whsec_\S+) /.exec(made.stdout)?.[1] ?? '';
  expect(secret).not.toBe('');
  await tree.commit({ Dockerfile: `FROM ${base}\n${gate.step('secrets')}\n` });
  const client = startGitClient(['push', 'deis', 'main'], {
    cwd: tree.path,
    environment: { HEPHY_CONFIG: hephy.environment['HEPHY_CONFIG'] ?? '', HOME: hephy.folder },
  });
  await gate.arrived('secrets');
  const secrets = [hephy.token, secret, secret.slice('whsec_'.length)];
  const running = await Promise.all(secrets.map((each) => processesWith(each)));
  expect(running.flat()).toEqual([]);
  const dump = join(hephy.folder, 'dump.rdb');
  const socket = join(hephy.data, 'redis', 'socket');
  await redis(socket, 'config', 'set', 'rdbcompression', 'no');
  // Else Redis waits five seconds for others who may want a copy, too.
  await redis(socket, 'config', 'set', 'repl-diskless-sync-delay', '0');
  await redis(socket, '--rdb', dump);
  gate.open('secrets');
  await hephy.inState('secretive', 1, ['releasing']);
  await redis(socket, '--rdb', `${dump}.later`);
  client.interrupt();
  await client.result;
  for (const file of [dump, `${dump}.later`, hephy.logFile]) {
    const content = await readFile(file, 'latin1');
    expect(content.length).toBeGreaterThan(100);
    const found = secrets.filter((each) => content.includes(each));
    expect({ file, found }).toEqual({ file, found: [] });
  }
});

function redis(socket: string, ...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('redis-cli', ['-s', socket, ...args], (error) => (error ? reject(error) : resolve()));
  });
}
