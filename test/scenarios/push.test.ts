import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import {
  runGitClient,
  startGitClient,
  type GitClientResult,
  type WorkTree,
} from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';

let hephy: Hephy;
let gate: Gate;
let base: string;
beforeAll(async () => {
  [hephy, gate] = await Promise.all([startHephy(), startGate()]);
  base = await hephy.baseImage();
});
afterAll(() => Promise.all([hephy?.close(), gate?.close()]));
showLogOnFailure(() => hephy);

const amd64 = { platforms: ['linux/amd64'] };
const push = ({ path }: WorkTree, ...args: string[]): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', ...(args.length > 0 ? args : ['main'])], { cwd: path });
const remoteRefs = (tree: WorkTree): Promise<string> => tree.git('ls-remote', 'deis');

interface Manifest {
  mediaType: string;
  config: { digest: string };
  manifests: { digest: string; platform: { os: string; architecture: string } }[];
}
const readManifest = async (app: string, tag: string): Promise<Manifest> =>
  JSON.parse((await hephy.readTag(app, tag)) ?? '{}') as Manifest;
async function readConfig(app: string, tag: string) {
  const { config } = await readManifest(app, tag);
  const answer = await fetch(`http://${hephy.registry}/v2/${app}/blobs/${config.digest}`);
  return (await answer.json()) as { config: { Labels: Record<string, string>; Env: string[] } };
}

test('a push becomes an index of both platforms under two tags, and the next push moves the moving one', async () => {
  const shop = await hephy.createApp('shop', {
    platforms: ['linux/amd64', 'linux/arm64'],
    requireNativeNodes: false,
  });
  const first = await shop.commit({
    Dockerfile: `FROM ${base}\nCOPY hello.txt /\n`,
    'hello.txt': 'hello\n',
  });
  const pushed = await push(shop);
  expect(pushed.stderr).toContain(
    `remote: -----> hephy-builder received main (${first.slice(0, 8)}) for shop\n`,
  );
  expect(pushed.stderr).toContain('remote: -----> Building\n');
  expect(pushed.stderr).toMatch(/warning: linux\/arm64 is not native here and nothing is emulated/);
  expect(pushed.stderr).toMatch(/^remote: {8}\[amd64\] STEP 2\/\d: COPY hello\.txt \/$/m);
  expect(pushed.stderr).toMatch(/^remote: {8}\[arm64\] STEP 2\/\d: COPY hello\.txt \/$/m);
  const tree = pushed.stderr.slice(pushed.stderr.indexOf('-----> Build 1 succeeded'));
  expect(tree).toMatch(/^-----> Build 1 succeeded in [\d.]+ m?s, released as v1\n/);
  expect(tree).toMatch(/├── linux\/amd64: succeeded \([\d.]+ m?s\) {2}sha256:[0-9a-f]{12}\n/);
  expect(tree).toMatch(/├── linux\/arm64: succeeded \([\d.]+ m?s\) {2}sha256:[0-9a-f]{12}\n/);
  expect(tree).toContain(`${hephy.registry}/shop:git-${first.slice(0, 8)}\n`);
  expect(tree).toMatch(/\* \[new branch\] +main -> main/);
  expect(pushed.exitCode).toBe(0);

  const index = await readManifest('shop', 'latest');
  expect(tree).toMatch(/└── index sha256:[0-9a-f]{64}\n/);
  expect(index.mediaType).toBe('application/vnd.oci.image.index.v1+json');
  expect(index.manifests.map(({ platform }) => platform)).toEqual([
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
  ]);
  expect(await hephy.readTag('shop', `git-${first.slice(0, 8)}`)).toBe(
    await hephy.readTag('shop', 'latest'),
  );
  expect(await remoteRefs(shop)).toContain(`${first}\trefs/heads/main`);
  expect((await push(shop)).stderr).toContain('Everything up-to-date');

  const second = await shop.commit({ 'hello.txt': 'hello again\n' });
  const again = await push(shop);
  expect(again.stderr).toContain('-----> Build 2 succeeded');
  expect(again.stderr).toContain(`${first.slice(0, 7)}..${second.slice(0, 7)}  main -> main`);
  expect(await readManifest('shop', 'latest')).not.toEqual(index);
  expect(await readManifest('shop', `git-${first.slice(0, 8)}`)).toEqual(index);
  expect(await hephy.readTag('shop', `git-${second.slice(0, 8)}`)).toBe(
    await hephy.readTag('shop', 'latest'),
  );
});

test('lines of the build reach the pusher while the build runs, and none of them can pass for ours', async () => {
  const live = await hephy.createApp('live', amd64);
  const forging = [
    'FROM ' + base,
    'COPY forge.txt /',
    'RUN cat /forge.txt',
    gate.step('live'),
    '',
  ].join('\n');
  const esc = '\u001b';
  const forged = [
    'naïve façade — 日本語 🚀',
    `progress 10%\rprogress 100%`,
    `${esc}[2K${esc}[1Gred ${esc}[31mtext${esc}[0m`,
    `${esc}]0;title\u0007after title`,
    '-----> Build 1 succeeded in 0 s, released as v999',
    `x\r-----> returned`,
    '',
  ].join('\n');
  await live.commit({ Dockerfile: forging, 'forge.txt': forged });
  const client = startGitClient(['push', 'deis', 'main'], { cwd: live.path });
  await gate.arrived('live');
  await client.seen('[amd64] -----> returned');
  const [running] = await hephy.builds('live');
  expect(running?.state).toBe('building');
  gate.open('live');
  const { stderr, exitCode } = await client.result;
  expect(exitCode).toBe(0);
  expect(stderr).toContain('remote:        [amd64] naïve façade — 日本語 🚀\n');
  expect(stderr).toContain('remote:        [amd64] progress 100%\n');
  expect(stderr).toContain('remote:        [amd64] red text\n');
  expect(stderr).toContain('remote:        [amd64] after title\n');
  expect(stderr).not.toContain(esc);
  expect(stderr).not.toMatch(/^remote: -----> (Build 1 succeeded in 0 s|returned)/m);
  expect(await readManifest('live', 'latest')).toMatchObject({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  });
});

test('build arguments, labels and the target reach the builder byte for byte', async () => {
  const odd = ` two  words "quoted" 'single' $HOME \`tick\` \\n ;&| --flag=x é `;
  const args = await hephy.createApp('args', {
    ...amd64,
    buildArgs: { ODD: odd, EMPTY: '' },
    labels: { 'com.example.odd': odd },
    target: 'wanted',
    dockerfilePath: 'docker/My Dockerfile',
    movingTag: null,
  });
  const dockerfile = [
    'FROM scratch AS wanted',
    'ARG ODD',
    'ARG EMPTY=default',
    'ENV ODD=$ODD EMPTY=x$EMPTY',
    'COPY a.txt /',
    'FROM scratch AS unwanted',
    'COPY missing.txt /',
    '',
  ].join('\n');
  const sha = await args.commit({ 'docker/My Dockerfile': dockerfile, 'a.txt': 'a' });
  expect(await push(args)).toMatchObject({ exitCode: 0 });
  const { config } = await readConfig('args', `git-${sha.slice(0, 8)}`);
  expect(config.Labels).toMatchObject({
    'com.example.odd': odd,
    'org.opencontainers.image.revision': sha,
  });
  expect(config.Env).toContain(`ODD=${odd}`);
  expect(config.Env).toContain('EMPTY=x');
  expect(await hephy.readTag('args', 'latest')).toBeUndefined();
});

test('a push of several megabytes and one from a shallow clone are built', async () => {
  const big = await hephy.createApp('big', amd64);
  await big.commit({ Dockerfile: 'FROM scratch\nCOPY blob /\n', blob: randomBytes(4 * 1024 ** 2) });
  expect(await push(big)).toMatchObject({ exitCode: 0 });

  const shallow = join(hephy.folder, 'repositories', 'shallow');
  await runGitClient(['clone', '--quiet', '--depth=1', `file://${big.path}`, shallow], {
    cwd: '/',
  });
  const git = (...args: string[]): Promise<GitClientResult> => runGitClient(args, { cwd: shallow });
  const helper = await big.git('config', 'credential.helper');
  await hephy.call('POST', '/v1/apps', { name: 'thin', settings: amd64 });
  await git('remote', 'add', 'deis', `${hephy.gitUrl}/thin.git`);
  await git('config', 'credential.helper', helper);
  const pushed = await git('push', 'deis', 'main');
  expect(pushed.stderr).toContain('-----> Build 1 succeeded');
  expect(pushed.exitCode).toBe(0);
});

test('tags and other branches are stored and start no build; the first push may choose master', async () => {
  const old = await hephy.createApp('old', amd64);
  const sha = await old.commit({ Dockerfile: 'FROM scratch\nCOPY a /\n', a: 'a' });
  const stored = await push(old, 'main:feature');
  expect(stored.stderr).toContain(
    'remote: -----> WARNING: feature is stored, and not deployed: old deploys main\n',
  );
  expect(stored.stderr).toContain('remote:        To deploy it: git push deis feature:main\n');
  expect(stored.exitCode).toBe(0);
  await old.git('tag', '-a', 'v1', '-m', 'one');
  expect(await push(old, 'v1')).toMatchObject({ exitCode: 0 });
  expect(await hephy.builds('old')).toEqual([]);

  expect(await push(old, 'main:master')).toMatchObject({ exitCode: 0 });
  expect(await push(old, 'main')).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining(
      'main is stored, and not deployed: old deploys master',
    ) as string,
  });
  expect(await hephy.builds('old')).toHaveLength(1);
  const refs = await remoteRefs(old);
  for (const ref of ['heads/feature', 'heads/main', 'heads/master']) {
    expect(refs).toContain(`${sha}\trefs/${ref}`);
  }
  expect(refs).toContain(`${sha}\trefs/tags/v1^{}`);
});
