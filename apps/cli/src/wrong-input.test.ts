import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../../bin/hephy', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-wrong-'));
  // Port 9 is discard's: nobody answers there.
  const server = { apiUrl: 'http://127.0.0.1:9', gitUrl: 'http://127.0.0.1:9', token: 'hephy_x' };
  const contexts = { current: server.apiUrl, servers: [server] };
  await writeFile(join(folder, 'known.json'), JSON.stringify(contexts));
  await writeFile(join(folder, 'garbage.json'), 'garbage');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function hephy(
  args: readonly string[],
  { config = 'known.json', input = '' } = {},
): { status: number | null; stderr: string } {
  const environment = { PATH: process.env['PATH'], HEPHY_CONFIG: join(folder, config) };
  const options = {
    cwd: folder,
    env: environment,
    input,
    encoding: 'utf8',
    timeout: 60_000,
  } as const;
  return spawnSync(program, args, options);
}

test.for([
  [['apps'], 'http://127.0.0.1:9 does not answer; is the service up? (npm start)'],
  [['logs'], 'which app? say it with -a NAME, or run this inside a repository with a deis remote'],
  [['logs', '-a', 'shop', 'abc'], 'abc is not a build number'],
  [['builds', '-a', '../users'], '"../users" is not an app\'s name; `hephy apps` lists yours'],
  [['apps', 'set', 'buildArgs={bad}', '-a', 'shop'], '{bad} is not JSON; '],
  [['apps', 'remote', 'shop'], 'is in no git repository; go to yours, or git init'],
  [['login', 'localhost:7081'], 'localhost:7081 is not a URL; name the API'],
  [['worker'], 'hephy worker needs HEPHY_DATABASE_URL, HEPHY_REDIS_URL and HEPHY_REGISTRY'],
] as const)('hephy %j says in a sentence what is wrong', ([args, sentence]) => {
  const { status, stderr } = hephy(args);
  expect(stderr).toMatch(/^hephy: [^\n]+\n$/);
  expect(stderr).toContain(sentence);
  expect(status).toBe(1);
});

test('a token that was copied with a blank in it is refused before it is sent', () => {
  const { status, stderr } = hephy(['login', 'http://127.0.0.1:9'], { input: 'hephy_a b\n' });
  expect(stderr).toMatch(/^hephy: a token has no blanks/);
  expect(status).toBe(1);
});

test.for(['garbage.json', '.'])('a list of servers that is none (%s) is named', (config) => {
  const { status, stderr } = hephy(['apps'], { config });
  expect(stderr).toMatch(/^hephy: [^\n]+\n$/);
  expect(stderr).toContain(join(folder, config));
  expect(status).toBe(1);
});

test('a reader that has seen enough ends the command without a word', () => {
  const command = `"$0" --help | true; exit "\${PIPESTATUS[0]}"`;
  const { status, stderr } = spawnSync('bash', ['-c', command, program], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
