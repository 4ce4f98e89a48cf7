import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../../../../test/parts/until.ts';
import { startChildServer, type ChildServer } from './child-server.ts';

let folder: string;
let server: ChildServer;
const errors: unknown[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hephy-child-'));
  errors.length = 0;
  await mkdir(join(folder, 'logs'));
  server = await startChildServer({
    name: 'sleeper',
    argv: ['sleep', '600'],
    environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    logFile: join(folder, 'logs', 'log'),
    probe: () => Promise.resolve(),
    onError: (error) => errors.push(error),
  });
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

function kill(): number {
  const pid = server.pid() ?? 0;
  process.kill(pid, 'SIGKILL');
  return pid;
}

const replacementOf = (before: number): Promise<number> =>
  until('another process', () => {
    const pid = server.pid() ?? 0;
    return pid !== before && isAlive(pid) && pid;
  });

test('a server that was killed is started again', async () => {
  const before = kill();
  expect(await replacementOf(before)).not.toBe(before);
});

test('a server that could not be started again is tried until it can', async () => {
  await rename(join(folder, 'logs'), join(folder, 'away'));
  const before = kill();
  await until('a start that failed', () => errors.length >= 2);
  await rename(join(folder, 'away'), join(folder, 'logs'));
  expect(await replacementOf(before)).not.toBe(before);
});

test("Ctrl-C at the service's terminal does not reach its servers", async () => {
  const stat = await readFile(`/proc/${server.pid()}/stat`, 'utf8');
  const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  expect(Number(group)).toBe(server.pid());
});

test('a server that is stopped while it waits to be started again stays away', async () => {
  const before = kill();
  await until('its end', () => errors.length > 0);
  await server.stop();
  expect(server.pid()).toBe(before);
  expect(isAlive(before)).toBe(false);
});
