import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWorkTree, runGitClient } from '../../../test/parts/git-client.ts';
import { allow, startGitService } from '../test/start-git-service.ts';
import type { GitService } from '../test/start-git-service.ts';
import { encodePktLine, flushPkt, zeroSha } from './index.ts';

let service: GitService;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-large-'));
});

afterEach(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

test('a pack that is too large is refused with one sentence', async () => {
  service = await startGitService();
  const tooLarge = 'this push is larger than 1 MB; keep large files out of git';
  service.handlers.authorize = () => allow('large', { maxInputBytes: 1024 * 1024, tooLarge });
  const large = await createWorkTree(join(folder, 'large'));
  await large.commit({ big: randomBytes(8 * 1024 * 1024) });
  const result = await runGitClient(['push', service.url('large'), 'main'], { cwd: large.path });
  expect(result).toMatchObject({
    exitCode: 1,
    stderr: [
      `To ${service.url('large')}`,
      ` ! [remote rejected] main -> main (${tooLarge})`,
      `error: failed to push some refs to '${service.url('large')}'`,
      '',
    ].join('\n'),
  });
});

test('what git began to say before the pack was too large ends with a packet, and the refusal follows', async () => {
  const git = spawnSync('sh', ['-c', 'command -v git']).stdout.toString().trim();
  await symlink(git, join(folder, 'git'));
  const script = String.raw`printf '0006\002h000a\002ha'; /bin/cat >/dev/null; printf 'lf0000'`;
  await writeFile(join(folder, 'git-receive-pack'), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, 'git-receive-pack'), 0o755);
  service = await startGitService({ path: folder });
  service.handlers.authorize = () => allow('shop', { maxInputBytes: 10, tooLarge: 'too large' });
  const request = httpRequest(`${service.url('shop')}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
  });
  const command = `${zeroSha} ${'a'.repeat(40)} refs/heads/main\0report-status side-band-64k`;
  request.write(Buffer.concat([encodePktLine(command), flushPkt, Buffer.from('PACK')]));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const [begun] = (await once(response, 'data')) as [Buffer];
  request.end(randomBytes(1000));
  expect(begun.toString()).toBe('0006\u0002h');
  const report = Buffer.concat([
    encodePktLine('unpack ok\n'),
    encodePktLine('ng refs/heads/main too large\n'),
    flushPkt,
  ]);
  const refusal = Buffer.concat([encodePktLine(`\u0001${report.toString()}`), flushPkt]);
  expect(await text(response)).toBe(refusal.toString());
});
