import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startGitClient } from '../parts/git-client.ts';
import { startStallingProxy } from '../parts/stalling-proxy.ts';
import { amd64, thisMachine, tiny, useService } from './ground.ts';
import { leaving, oneAtATime, pushesAgain } from './leaving.ts';

const open = useService(
  () => thisMachine,
  () => oneAtATime,
);

leaving(open);

test('who leaves in the upload leaves nothing, and can push at once', async () => {
  const { hephy } = open();
  const app = await hephy.createApp('upload', amd64);
  await app.commit({ ...tiny, blob: randomBytes(3 * 1024 ** 2) });
  const slow = await startStallingProxy(new URL(hephy.gitUrl).host, 1024 ** 2);
  const client = startGitClient(['push', `http://${slow.host}/upload.git`, 'main'], {
    cwd: app.path,
    environment: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'http.extraHeader',
      GIT_CONFIG_VALUE_0: `Authorization: Bearer ${hephy.token}`,
    },
  });
  await slow.stalled;
  client.interrupt();
  await client.result;
  await pushesAgain(app);
  await slow.close();
  expect(await hephy.builds('upload')).toHaveLength(1);
  const names = await readdir(join(hephy.data, 'git', 'repositories'), { recursive: true });
  expect(names.filter((name) => /tmp_objdir|incoming-|tmp_pack/.test(name))).toEqual([]);
});
