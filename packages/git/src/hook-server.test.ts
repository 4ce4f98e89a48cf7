import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createActiveReceives, createHookServer, hookSocketPath, installHooks } from './index.ts';
import type { ActiveReceives, HookServer } from './index.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const handlers = {
  preReceive: () => Promise.resolve({ accept: true as const }),
  procReceive: () => Promise.resolve([]),
};

let folder: string;
let receives: ActiveReceives<string>;
let server: HookServer;

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'hephy-hooks-')), 'hooks');
  receives = createActiveReceives<string>();
  await installHooks(folder);
  server = await createHookServer({ socketPath: hookSocketPath(folder), receives, handlers, log });
});

afterEach(async () => {
  await server.close();
  await rm(join(folder, '..'), { recursive: true, force: true });
});

async function ask(path: string, headers: Record<string, string>): Promise<number | undefined> {
  const request = httpRequest({
    socketPath: hookSocketPath(folder),
    path,
    method: 'POST',
    headers,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

const one = {
  appId: 'one',
  repositoryPath: '/repositories/one.git',
  context: 'ada',
  commands: [],
  pushOptions: [],
};
const beginOne = (atOnce = 1) => receives.begin(one, { atOnce });

test('only the service’s user can open the folder, run the hooks and reach the socket', async () => {
  const modes = async (name: string) => (await stat(join(folder, name))).mode & 0o777;
  expect((await readdir(folder)).toSorted()).toEqual(['pre-receive', 'proc-receive', 'socket']);
  expect(await modes('.')).toBe(0o700);
  expect(await modes('pre-receive')).toBe(0o700);
  expect(await modes('proc-receive')).toBe(0o700);
  expect(await modes('socket')).toBe(0o600);
});

test('a hook is answered for a push that is under way, from its own repository', async () => {
  const active = await beginOne();
  const id = active?.id ?? '';
  const from = (repository: string) => ({ 'hephy-receive': id, 'hephy-repository': repository });
  expect(await ask('/pre-receive', from('/repositories/one.git'))).toBe(200);
  expect(await ask('/other', from('/repositories/one.git'))).toBe(404);
  expect(await ask('/pre-receive', from('/repositories/two.git'))).toBe(409);
  expect(
    await ask('/pre-receive', { ...from('/repositories/one.git'), 'hephy-receive': 'x' }),
  ).toBe(409);
  expect(await ask('/pre-receive', {})).toBe(409);
  const outside = { ...from('/repositories/one.git'), 'hephy-quarantine': '/etc' };
  expect(await ask('/pre-receive', outside)).toBe(500);
  active?.abort(new Error('left'));
  expect(await ask('/pre-receive', from('/repositories/one.git'))).toBe(409);
  active?.end();
  expect(await ask('/pre-receive', from('/repositories/one.git'))).toBe(409);
});

test('one push at a time has a repository, and the next one waits for an aborted one', async () => {
  const first = await beginOne();
  expect(await beginOne()).toBeUndefined();
  receives.abortAll(new Error('the service stops'));
  expect(first?.signal.aborted).toBe(true);
  const second = beginOne();
  first?.end();
  expect((await second)?.id).not.toBe(first?.id);
});

test('two pushes may have a repository, and what must not be at the same time is one after the other', async () => {
  const first = await beginOne(2);
  const second = await beginOne(2);
  expect(await beginOne(2)).toBeUndefined();
  expect(first?.isAlone()).toBe(false);
  const done: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const failing = first?.exclusively(async () => {
    await promise;
    done.push('first');
    throw new Error('a full disk');
  });
  const after = second?.exclusively(() => Promise.resolve(void done.push('second')));
  resolve();
  await expect(failing).rejects.toThrow('a full disk');
  await after;
  expect(done).toEqual(['first', 'second']);
  first?.end();
  expect(second?.isAlone()).toBe(true);
  expect(await beginOne(2)).toBeDefined();
});

test('a socket path that the system would cut is refused by name', async () => {
  const socketPath = join(folder, 'x'.repeat(100));
  await expect(createHookServer({ socketPath, receives, handlers, log })).rejects.toThrow(
    'longer than 107 bytes; choose a data folder with a shorter path',
  );
});
