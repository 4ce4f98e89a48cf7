import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { runGitClient, type GitClientResult, type WorkTree } from '../parts/git-client.ts';
import { until } from '../parts/until.ts';
import { amd64, push, thisMachine, tiny, useService } from './ground.ts';
import { refusals } from './refusals.ts';

const limits = { HEPHY_MAX_PUSH_MB: '2', HEPHY_MAX_SOURCE_MB: '4' };
const open = useService(
  () => thisMachine,
  () => limits,
);

refusals(open);

/** Nothing of a refused push stays: no objects in quarantine, no builder, no build that goes on, no source half written. */
async function nothingIsLeft(app: string): Promise<void> {
  const { hephy } = open();
  expect(
    (await hephy.builds(app)).filter(({ state }) => !['failed', 'succeeded'].includes(state)),
  ).toEqual([]);
  await until('an empty builders folder', async () => {
    const left = await namesIn('builders');
    return left.every((name) => name.startsWith('.'));
  });
  expect(
    (await namesIn('git/repositories', true)).filter((name) => /tmp_objdir|incoming-/.test(name)),
  ).toEqual([]);
  expect(await namesIn('sources/incoming')).toEqual([]);
}
const namesIn = (folder: string, recursive = false): Promise<string[]> =>
  readdir(join(open().hephy.data, folder), { recursive }).catch(() => []);

async function userToken(name: string): Promise<string> {
  const { hephy } = open();
  await hephy.call('POST', '/v1/users', { name });
  const { body } = await hephy.call('POST', '/v1/tokens', { name: 'laptop', user: name });
  return z.object({ token: z.string() }).parse(body).token;
}
/** A push of whoever the helper or the token says, and nobody else. */
const pushAs = (
  { path }: WorkTree,
  { helper = '', token }: { helper?: string; token?: string },
): Promise<GitClientResult> =>
  runGitClient(
    ['-c', 'credential.helper=', '-c', `credential.helper=${helper}`, 'push', 'deis', 'main'],
    {
      cwd: path,
      environment: token
        ? {
            GIT_CONFIG_COUNT: '1',
            GIT_CONFIG_KEY_0: 'http.extraHeader',
            GIT_CONFIG_VALUE_0: `Authorization: Bearer ${token}`,
          }
        : {},
    },
  );

test('an unknown app, a bad token, no token and no right are told so before the upload', async () => {
  const { hephy } = open();
  const shop = await hephy.createApp('shop', amd64);
  await shop.commit(tiny);
  const unknown = await runGitClient(['push', `${hephy.gitUrl}/shopp.git`, 'main'], {
    cwd: shop.path,
  });
  expect(unknown.stderr).toContain(
    'remote: there is no app shopp; create it with: hephy apps create shopp\n',
  );
  expect(unknown.exitCode).toBe(128);

  const nobody = await pushAs(shop, { helper: '' });
  expect(nobody.stderr).toContain(`fatal: could not read Username for '${hephy.gitUrl}'`);
  expect(nobody.exitCode).toBe(128);
  const bad = await pushAs(shop, { helper: '!printf "username=x\\npassword=nonsense\\n" #' });
  expect(bad.stderr).toContain('remote: a token is needed');
  expect(bad.stderr).toContain(`fatal: Authentication failed for '${hephy.gitUrl}/shop.git/'`);
  expect(bad.exitCode).toBe(128);
  const token = await userToken('eve');
  const stranger = await pushAs(shop, { token });
  expect(stranger).toMatchObject({ exitCode: 128 });
  expect(stranger.stderr).toContain(
    'remote: eve may not push to shop; ask its owner for the deployer right\n',
  );
  await hephy.call('PUT', '/v1/apps/shop/members/eve', { right: 'reader' });
  expect((await pushAs(shop, { token })).exitCode).toBe(128);
  await hephy.call('PUT', '/v1/apps/shop/members/eve', { right: 'deployer' });
  expect((await pushAs(shop, { token })).stderr).toContain('-----> Build 1 succeeded');
  await nothingIsLeft('shop');
});

test('no Dockerfile, a submodule, a path that escapes: each a sentence, and no build', async () => {
  const { hephy } = open();
  const app = await hephy.createApp('wrong', amd64);
  const refused = async (what: RegExp): Promise<void> => {
    const { stderr, exitCode } = await push(app, '--force');
    expect(stderr).toMatch(what);
    expect(stderr).toMatch(/! \[remote rejected\] main -> main/);
    expect(exitCode).toBe(1);
  };
  await app.git('config', 'push.default', 'current');
  await app.commit({ a: 'a' });
  await refused(
    /remote: {2}! {5}there is no Dockerfile in this commit; add one, or set dockerfilePath/,
  );
  const sha = await app.commit(tiny);
  await app.git('update-index', '--add', '--cacheinfo', `160000,${sha},vendor/lib`);
  await app.git('commit', '-qm', 'submodule');
  await refused(/vendor\/lib is a submodule; its files would be missing from the build/);
  const blob = await app.git('rev-parse', `${sha}:a`);
  const entry = Buffer.concat([Buffer.from('100644 ..\0'), Buffer.from(blob, 'hex')]);
  const hash = ['hash-object', '-w', '-t', 'tree', '--literally', '--stdin'];
  const { stdout: tree } = await runGitClient(hash, { cwd: app.path, input: entry });
  const escaping = await app.git('commit-tree', tree.trim(), '-m', 'escapes');
  await app.git('update-ref', 'refs/heads/main', escaping);
  await refused(/hasDotdot: contains '\.\.'|leaves the repository/);
  expect(await hephy.builds('wrong')).toEqual([]);
  await nothingIsLeft('wrong');
});

test('a platform that nobody knows is refused by the API, one that this machine is not before anything starts', async () => {
  const { hephy } = open();
  const unknown = await hephy.call('POST', '/v1/apps', {
    name: 'exotic',
    settings: { platforms: ['linux/amd46'] },
  });
  expect(unknown.status).toBe(400);
  expect(JSON.stringify(unknown.body)).toContain('linux/amd46');
  const arm = await hephy.createApp('arm', { platforms: ['linux/amd64', 'linux/arm64'] });
  await arm.commit(tiny);
  const refused = await push(arm);
  expect(refused.stderr).toContain(
    'linux/arm64 is not native here; add a node of that architecture, drop the platform, or set requireNativeNodes to false: this machine is linux/amd64 (build 1)',
  );
  expect(refused.stderr).not.toContain('-----> Building');
  expect(refused.exitCode).toBe(1);
  const [build] = await hephy.builds('arm');
  expect(build?.failure?.reason).toBe('PlatformNotNative');
  await nothingIsLeft('arm');
});

test('a push over the limit, and a commit whose files are over the limit, are refused with the limit', async () => {
  const { hephy } = open();
  const app = await hephy.createApp('huge', amd64);
  const noise = randomBytes(3 * 1024 ** 2);
  await app.commit({ ...tiny, noise });
  const over = await push(app);
  expect(over.stderr).toBe(
    [
      `To ${hephy.gitUrl}/huge.git`,
      ' ! [remote rejected] main -> main (this push is larger than 2 MB; keep large files out of git, or let the operator raise HEPHY_MAX_PUSH_MB)',
      `error: failed to push some refs to '${hephy.gitUrl}/huge.git'`,
      '',
    ].join('\n'),
  );
  expect(over.exitCode).toBe(1);
  await app.git('update-ref', '-d', 'HEAD');
  await app.commit({ ...tiny, noise: '', zeros: Buffer.alloc(6 * 1024 ** 2) });
  const unpacked = await push(app);
  expect(unpacked.stderr).toMatch(
    /! \[remote rejected\] main -> main \(the commit's files are too large: the limit is 4194304 bytes; keep large files out of git, or let the operator raise HEPHY_MAX_SOURCE_MB\)/,
  );
  expect(unpacked.exitCode).toBe(1);
  expect(await hephy.builds('huge')).toEqual([]);
  await nothingIsLeft('huge');
});

test('a malformed packet is told so, and harms nobody', async () => {
  const { hephy } = open();
  const post = async (body: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${hephy.gitUrl}/shop.git/git-receive-pack`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${hephy.token}`,
        'content-type': 'application/x-git-receive-pack-request',
      },
      body,
    });
    return { status: answer.status, text: await answer.text() };
  };
  expect(await post('zzzz no packet')).toMatchObject({
    status: 400,
    text: expect.stringMatching(/malformed/) as string,
  });
  const line = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/../../etc\0report-status\n`;
  const packet = (line.length + 4).toString(16).padStart(4, '0') + line;
  expect(await post(`${packet}0000`)).toMatchObject({
    status: 400,
    text: expect.stringMatching(/ref name is not allowed/) as string,
  });
  expect(await hephy.call('GET', '/v1/user')).toMatchObject({ status: 200 });
  await nothingIsLeft('shop');
});
