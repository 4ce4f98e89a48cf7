/** What a push may hold besides the next commit of a branch that is deployed. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runGitClient, type GitClientResult } from '../parts/git-client.ts';
import { amd64, push, remoteRefs, tiny, type Service } from './ground.ts';

export function kindsOfPush(open: () => Service): void {
  test('a push of several megabytes and one from a shallow clone are built', async () => {
    const { hephy } = open();
    const big = await hephy.createApp('big', amd64);
    await big.commit({
      Dockerfile: 'FROM scratch\nCOPY blob /\n',
      blob: randomBytes(4 * 1024 ** 2),
    });
    expect(await push(big)).toMatchObject({ exitCode: 0 });

    const shallow = join(hephy.folder, 'repositories', 'shallow');
    await runGitClient(['clone', '--quiet', '--depth=1', `file://${big.path}`, shallow], {
      cwd: '/',
    });
    const git = (...args: string[]): Promise<GitClientResult> =>
      runGitClient(args, { cwd: shallow });
    const helper = await big.git('config', 'credential.helper');
    await hephy.call('POST', '/v1/apps', { name: 'thin', settings: amd64 });
    await git('remote', 'add', 'deis', `${hephy.gitUrl}/thin.git`);
    await git('config', 'credential.helper', helper);
    const pushed = await git('push', 'deis', 'main');
    expect(pushed.stderr).toContain('-----> Build 1 succeeded');
    expect(pushed.exitCode).toBe(0);
  });

  test('tags and other branches are stored and start no build; the first push may choose master', async () => {
    const { hephy } = open();
    const old = await hephy.createApp('old', amd64);
    const sha = await old.commit(tiny);
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
}
