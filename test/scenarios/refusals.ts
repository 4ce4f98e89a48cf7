import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runGitClient } from '../parts/git-client.ts';
import {
  amd64,
  buildersGone,
  push,
  remoteRefs,
  startPush,
  tiny,
  waitsAt,
  type Service,
} from './ground.ts';

export function refusals(open: () => Service): void {
  test('a busy app is told so with 128, can still be cloned, and its branch cannot be deleted', async () => {
    const service = open();
    const { hephy, gate } = service;
    const busy = await hephy.createApp('busy', amd64);
    await busy.commit(tiny);
    expect(await push(busy)).toMatchObject({ exitCode: 0 });
    await busy.commit(waitsAt('busy', service));
    const first = startPush(busy);
    await gate.arrived('busy');
    const second = await push(busy);
    expect(second.stderr).toBe(
      'fatal: remote error: Another git push is ongoing: build 2 of busy (watch it: hephy logs -f 2 -a busy; stop it: hephy cancel 2 -a busy)\n',
    );
    expect(second.exitCode).toBe(128);
    const copy = join(hephy.folder, 'copy');
    const helper = await busy.git('config', 'credential.helper');
    const clone = ['-c', `credential.helper=${helper}`, 'clone', `${hephy.gitUrl}/busy.git`, copy];
    expect(await runGitClient(clone, { cwd: '/' })).toMatchObject({ exitCode: 0 });
    gate.open('busy');
    expect(await first.result).toMatchObject({ exitCode: 0 });

    const deleted = await push(busy, ':main');
    expect(deleted.stderr).toContain('! [remote rejected] main (deletion prohibited)');
    expect(deleted.exitCode).toBe(1);
    await buildersGone(service);
  });

  test('a Dockerfile that fails at a step rejects the push with the platform, the exit code and the build; it can be pushed again', async () => {
    const service = open();
    const { hephy, base } = service;
    const app = await hephy.createApp('broken', { ...amd64, buildArgs: { CODE: '7' } });
    const sha = await app.commit({
      Dockerfile: `FROM ${base}\nARG CODE\nRUN echo doomed; exit $CODE\n`,
    });
    const failed = await push(app);
    expect(failed.stderr).toMatch(/\[amd64\] doomed\n/);
    expect(failed.stderr).toMatch(
      /! \[remote rejected\] main -> main \(build failed: linux\/amd64 exited 7.* \(build 1\)\)\n/,
    );
    expect(failed.stderr).toContain('└── linux/amd64: failed');
    expect(failed.exitCode).toBe(1);
    expect(await remoteRefs(app)).toBe('');
    expect(await hephy.readTag('broken', 'latest')).toBeUndefined();
    await buildersGone(service);

    await hephy.call('PATCH', '/v1/apps/broken', { settings: { buildArgs: { CODE: '0' } } });
    expect(await push(app)).toMatchObject({ exitCode: 0 });
    expect(await remoteRefs(app)).toContain(sha);
  });
}
