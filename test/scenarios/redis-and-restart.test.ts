/** The service's own Redis, and its data: what ends or is taken in the middle of things costs nothing but time. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startServiceProcess } from '../parts/service-process.ts';
import { startPush, thisMachine, tiny, useService } from './ground.ts';
import { redisLost } from './redis-lost.ts';
import { makeApp, redisSocket, restarts } from './restarts.ts';

const open = useService(() => thisMachine);

restarts(open);
redisLost(open);

test('a second service on the same data is refused with a sentence', async () => {
  const service = open();
  const { hephy } = service;
  const second = startServiceProcess({
    args: ['up'],
    environment: {
      ...hephy.environment,
      HEPHY_LISTEN_GIT: '127.0.0.1:0',
      HEPHY_LISTEN_API: '127.0.0.1:0',
    },
    logFile: join(hephy.folder, 'second.log'),
    ready: 'Ctrl-C',
  });
  await expect(second).rejects.toThrow(
    new RegExp(
      `is in use by process ${hephy.pid()}; stop that process, or use another data directory`,
    ),
  );
  // Its redis-server had taken the socket away from the first one's.
  const ping = await promisify(execFile)('redis-cli', ['-s', redisSocket(hephy), 'ping']);
  expect(ping.stdout).toBe('PONG\n');
  const { tree } = await makeApp(service, 'unharmed', tiny);
  expect(await startPush(tree).result).toMatchObject({ exitCode: 0 });
});

test('a service that is asked to stop ends with 0, its servers with it', async () => {
  const { hephy } = open();
  expect(await hephy.end('SIGTERM')).toBe(0);
  expect(await hephy.children()).toEqual([]);
});
