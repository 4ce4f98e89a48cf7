import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createWorkTree, runGitClient } from '../../../test/parts/git-client.ts';
import type { WorkTree } from '../../../test/parts/git-client.ts';
import { allow, startGitService } from '../test/start-git-service.ts';
import type { GitService } from '../test/start-git-service.ts';
import { encodePktLine, flushPkt, zeroSha } from './index.ts';
import type { Authorization, AuthorizeRequest } from './index.ts';

let service: GitService;
let folder: string;
let work: WorkTree;
let sha: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-http-'));
  service = await startGitService();
  work = await createWorkTree(join(folder, 'shop'));
  sha = await work.commit({ Dockerfile: 'FROM scratch\n' });
});

afterEach(() => {
  delete service.handlers.authorize;
});

afterAll(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

const push = (url: string, ref = 'main') =>
  runGitClient(['push', url, `HEAD:refs/heads/${ref}`], { cwd: work.path });

async function exitCodeOfNextPush(): Promise<number | null> {
  const app = `app-${randomBytes(4).toString('hex')}`;
  return (await push(service.url(app))).exitCode;
}

function post(url: string, body: Uint8Array, headers: Record<string, string> = {}) {
  const name = url.slice(url.lastIndexOf('/') + 1);
  return fetch(url, {
    method: 'POST',
    body: Buffer.from(body),
    headers: { 'content-type': `application/x-${name}-request`, ...headers },
  });
}

/** A push request as git would send it, up to the pack. */
const commands = (ref = 'refs/heads/main', from = 'side-band-64k report-status'): Buffer =>
  Buffer.concat([encodePktLine(`${zeroSha} ${sha} ${ref}\0 ${from}`), flushPkt]);

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

const authorize = (asked: AuthorizeRequest): Authorization<{ user: string }> => {
  const { credentials: given, operation } = asked;
  if (given === undefined) return { ok: false, status: 401, message: 'who are you?' };
  if (given.scheme === 'basic' && given.password !== 'secret') {
    return { ok: false, status: 401, message: 'wrong password' };
  }
  const user = given.scheme === 'basic' ? given.username : given.token;
  if (user === 'eve') return { ok: false, status: 404, message: 'no such app' };
  if (user !== 'ada' && operation === 'receive') {
    return { ok: false, status: 403, message: `${user} may not push to app '${asked.appName}'` };
  }
  return allow(asked.appName, { context: { user } });
};

describe('every request is authorized', () => {
  const credentials: [string, string | undefined, { receive: number; upload: number }][] = [
    ['no credentials', undefined, { receive: 401, upload: 401 }],
    ['a malformed header', 'Basic', { receive: 401, upload: 401 }],
    ['a wrong password', basic('ada:wrong'), { receive: 401, upload: 401 }],
    ['a stranger', basic('eve:secret'), { receive: 404, upload: 404 }],
    ['a reader (Basic)', basic('bob:secret'), { receive: 403, upload: 200 }],
    ['a reader (Bearer)', 'Bearer bob', { receive: 403, upload: 200 }],
    ['a deployer (Basic)', basic('ada:secret'), { receive: 200, upload: 200 }],
    ['a deployer (bearer)', 'bearer ada', { receive: 200, upload: 200 }],
  ];
  test.each(credentials)('%s', async (_name, authorization, expected) => {
    service.handlers.authorize = authorize;
    const headers: Record<string, string> = authorization ? { authorization } : {};
    const url = service.url('matrix');
    const statuses = {
      receive: [
        await fetch(`${url}/info/refs?service=git-receive-pack`, { headers }),
        await post(`${url}/git-receive-pack`, flushPkt, headers),
      ].map(({ status }) => status),
      upload: [
        await fetch(`${url}/info/refs?service=git-upload-pack`, { headers }),
        await post(`${url}/git-upload-pack`, flushPkt, headers),
      ].map(({ status }) => status),
    };
    expect(statuses).toEqual({
      receive: [expected.receive, expected.receive],
      upload: [expected.upload, expected.upload],
    });
  });

  test('a refusal is a sentence that the user sees before the upload', async () => {
    service.handlers.authorize = authorize;
    const as = (user: string) => service.url('shop').replace('//', `//${user}:secret@`);
    const shown = service.url('shop');
    expect(await push(as('bob'))).toEqual({
      exitCode: 128,
      stdout: '',
      stderr: `remote: bob may not push to app 'shop'\nfatal: unable to access '${shown}/': The requested URL returned error: 403\n`,
    });
    expect(await push(as('eve'))).toEqual({
      exitCode: 128,
      stdout: '',
      stderr: `remote: no such app\nfatal: repository '${shown}/' not found\n`,
    });
  });

  test('a 401 asks for Basic credentials', async () => {
    service.handlers.authorize = authorize;
    const answer = await fetch(`${service.url('shop')}/info/refs?service=git-receive-pack`);
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="git", charset="UTF-8"');
  });
});

describe('what the library gets wrong behind us', () => {
  test('a POST without rights moves nothing', async () => {
    service.handlers.authorize = () => ({ ok: false, status: 403, message: 'no' });
    const answer = await post(`${service.url('pwned')}/git-receive-pack`, commands());
    expect(answer.status).toBe(403);
    await service.repositories.ensure('id-pwned', { deployRefs: [], maxInputBytes: 1 });
    expect(await service.repositories.readRef('id-pwned', 'refs/heads/main')).toBeUndefined();
  });

  test.each([
    '/evil/HEAD',
    '/nest/evil.git/HEAD',
    '/shop.git/hooks/x/info/refs?service=git-upload-pack',
  ])('%s is nothing', async (path) => {
    const answer = await fetch(`http://127.0.0.1:${service.port}${path}`);
    expect(answer.status).toBe(404);
  });

  test('a client that goes in the middle of a body harms nobody', async () => {
    for (const end of ['reset', 'fin'] as const) {
      const socket = connect(service.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(
        'POST /gone.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n' +
          'Content-Type: application/x-git-receive-pack-request\r\n\r\n',
      );
      socket.write(commands('refs/heads/gone'));
      await once(socket, 'connect');
      if (end === 'reset') socket.resetAndDestroy();
      else socket.destroy();
    }
    expect(await exitCodeOfNextPush()).toBe(0);
  });

  test('compressed pushes, and fetches that cannot be unpacked, are refused', async () => {
    const gzip = { 'content-encoding': 'gzip' };
    const url = service.url('shop');
    expect((await post(`${url}/git-receive-pack`, gzipSync(commands()), gzip)).status).toBe(415);
    expect((await post(`${url}/git-upload-pack`, Buffer.from('no gzip'), gzip)).status).toBe(400);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    expect((await post(`${url}/git-upload-pack`, bomb, gzip)).status).toBe(413);
    expect((await post(`${url}/git-upload-pack`, gzipSync(flushPkt), gzip)).status).toBe(200);
    expect(await exitCodeOfNextPush()).toBe(0);
  });

  test('commands that arrive in pieces are read whole', async () => {
    const bytes = Buffer.concat([
      encodePktLine(`${sha} ${zeroSha} refs/heads/v200-rc\0 report-status delete-refs`),
      flushPkt,
    ]);
    const request = httpRequest(`${service.url('pieces')}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
    });
    for (const byte of bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      request.write(Buffer.of(byte), () => resolve());
      await promise;
    }
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const answer = (await response.toArray()).join('');
    expect(answer).toContain('refs/heads/v200-rc');
  });

  test('a browser cannot post a push', async () => {
    const type = { 'content-type': 'text/plain' };
    const answer = await post(`${service.url('shop')}/git-receive-pack`, commands(), type);
    expect(answer.status).toBe(415);
  });

  test('branch names with 00, shell signs and UTF-8 arrive as they are', async () => {
    const names = ['v200-rc', '0000', 'main;id', '$(id)', '`id`', 'ünï/cödé', "it's", '-x'];
    for (const name of names) {
      expect(await push(service.url('names'), name)).toMatchObject({ exitCode: 0 });
      expect(await service.repositories.readRef('id-names', `refs/heads/${name}`)).toBe(sha);
    }
  });

  test('commands with long runs of hex digits cost no time', async () => {
    const startedAt = performance.now();
    const long = commands('refs/heads/x', `agent=${'a'.repeat(60_000)} report-status`);
    const answer = await post(`${service.url('hex')}/git-receive-pack`, long);
    await answer.text();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

test('a policy that fails is an answer', async () => {
  service.handlers.checkCommands = () => Promise.reject(new Error('secret detail'));
  const result = await push(service.url('shop'), 'policy');
  delete service.handlers.checkCommands;
  expect(result.stderr).toContain('! [remote rejected] HEAD -> policy (the git service failed');
  expect(result.stderr).not.toContain('secret');
  service.handlers.authorize = () => {
    throw new Error('secret detail');
  };
  const refused = await push(service.url('shop'), 'policy');
  expect(refused.stderr).toContain('remote: the git service failed; its log says why');
  expect(refused.stderr).not.toContain('secret');
});

describe('limits', () => {
  test('a tree with .. in a path is refused', async () => {
    const evil = await createWorkTree(join(folder, 'evil'));
    const git = (args: string[], input?: Buffer) =>
      spawnSync('git', args, { cwd: evil.path, input }).stdout.toString().trim();
    const blob = git(['hash-object', '-w', '--stdin'], Buffer.from('x'));
    const entry = Buffer.concat([Buffer.from('100644 x\0'), Buffer.from(blob, 'hex')]);
    const hash = ['hash-object', '--literally', '-t', 'tree', '-w', '--stdin'];
    const inner = git(hash, entry);
    const outer = git(hash, Buffer.concat([Buffer.from('40000 ..\0'), Buffer.from(inner, 'hex')]));
    const commit = await evil.git('commit-tree', '-m', 'evil', outer);
    const result = await runGitClient(['push', service.url('evil'), `${commit}:refs/heads/main`], {
      cwd: evil.path,
    });
    expect(result.stderr).toContain("hasDotdot: contains '..'");
    expect(result.stderr).toContain('(unpacker error)');
    expect(result.exitCode).toBe(1);
  });

  test('a client that does not say what it wants is told so', async () => {
    const hasty = await startGitService({ limits: { commandListMs: 100 } });
    const request = httpRequest(`${hasty.url('shop')}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
    });
    request.on('error', () => undefined);
    request.write('00');
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(408);
    request.destroy();
    await hasty.close();
  });

  test('more requests than allowed at once are put off', async () => {
    const narrow = await startGitService({ limits: { concurrentRequests: 1 } });
    const first = httpRequest(`${narrow.url('shop')}/git-receive-pack`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-git-receive-pack-request' },
    });
    first.on('error', () => undefined);
    first.write('00');
    const asked = Promise.withResolvers<void>();
    narrow.handlers.authorize = ({ appName }) => {
      asked.resolve();
      return allow(appName);
    };
    await asked.promise;
    const second = await fetch(`${narrow.url('shop')}/info/refs?service=git-receive-pack`);
    expect(second.status).toBe(503);
    first.destroy();
    await narrow.close();
  });
});

/** A folder for PATH with this `git-receive-pack` in it, and the real git. */
async function pathWith(script: string | undefined): Promise<string> {
  const path = await mkdtemp(join(folder, 'bin-'));
  const git = spawnSync('sh', ['-c', 'command -v git']).stdout.toString().trim();
  await symlink(git, join(path, 'git'));
  if (script !== undefined) {
    await writeFile(join(path, 'git-receive-pack'), `#!/bin/sh\n${script}\n`);
    await chmod(join(path, 'git-receive-pack'), 0o755);
  }
  return path;
}

describe('a git that fails is an answer', () => {
  test.each([
    ['missing', undefined],
    ['one that exits at once', 'exit 3'],
    ['one that is killed', 'kill -9 $$'],
    ['one that floods its standard error', '/usr/bin/head -c 3000000 /dev/zero >&2; exit 1'],
  ])('git-receive-pack: %s', async (_name, script) => {
    const broken = await startGitService({ path: await pathWith(script) });
    const answer = await post(`${broken.url('shop')}/git-receive-pack`, commands());
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain(
      'ng refs/heads/main the git service could not take this push; push again',
    );
    await broken.close();
  });

  test('one that breaks off is said to have', async () => {
    const path = await pathWith('printf "000a\\002half"; exit 1');
    const broken = await startGitService({ path });
    const answer = await post(`${broken.url('shop')}/git-receive-pack`, commands());
    expect(await answer.text()).toContain('\u0003the git service could not take this push');
    await broken.close();
  });

  test('a repository of another owner is a sentence and a line in the log', async () => {
    await push(service.url('owner'));
    await chown(service.repositories.pathOf('id-owner'), 12_345, 12_345);
    const result = await push(service.url('owner'), 'other');
    expect(result.exitCode).toBe(128);
    expect(result.stderr).toContain('remote: the repository of this app cannot be read');
    expect(JSON.stringify(service.logged)).toContain('dubious ownership');
    const answer = await post(`${service.url('owner')}/git-receive-pack`, commands());
    expect(await answer.text()).toContain('ng refs/heads/main the git service could not');
    const fetched = await post(`${service.url('owner')}/git-upload-pack`, flushPkt);
    expect(await fetched.text()).toContain('ERR the repository cannot be read');
  });

  test('a folder that is in the way of a repository is a sentence too', async () => {
    await mkdir(join(service.repositories.pathOf('id-blocked'), 'x'), { recursive: true });
    const result = await push(service.url('blocked'));
    expect(result.stderr).toContain('remote: the git service failed; its log says why');
    expect(result.exitCode).toBe(128);
  });
});

test('300 malformed requests later, a normal push works', async () => {
  const capture = Buffer.concat([
    commands(),
    Buffer.from('PACK\0\0\0\u0002\0\0\0\u0001'),
    randomBytes(80),
  ]);
  let seed = 42;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const attempt = async (): Promise<number> => {
    const bytes = Buffer.from(capture);
    for (let change = random(6); change >= 0; change -= 1)
      bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length);
    const name = random(5) === 0 ? 'git-upload-pack' : 'git-receive-pack';
    const encoding = random(10) === 0 ? { 'content-encoding': 'gzip' } : undefined;
    const answer = await post(`${service.url(`fuzz-${random(8)}`)}/${name}`, cut, encoding);
    await answer.arrayBuffer();
    return answer.status;
  };
  for (let round = 0; round < 50; round += 1) {
    const statuses = await Promise.all(Array.from({ length: 6 }, attempt));
    for (const status of statuses) expect([200, 400, 413, 415]).toContain(status);
  }
  expect(await exitCodeOfNextPush()).toBe(0);
});
