/** The service's own Redis loses all that it has in the middle of a build. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { remoteRefs, startPush, waitsAt, type Service } from './ground.ts';
import { makeApp, redisPid, redisSocket } from './restarts.ts';

export function redisLost(open: () => Service): void {
  test('a Redis that forgets everything in the middle of a build costs nothing but time', async () => {
    const service = open();
    const { hephy, gate } = service;
    const { tree, sha } = await makeApp(service, 'flushed', waitsAt('flushed', service));
    const client = startPush(tree);
    await gate.arrived('flushed');
    await promisify(execFile)('redis-cli', ['-s', redisSocket(hephy), 'FLUSHALL']);
    gate.open('flushed');
    const { stderr, exitCode } = await client.result;
    expect(stderr).toContain('-----> Build 1 succeeded');
    expect(exitCode).toBe(0);
    expect(await remoteRefs(tree)).toContain(`${sha}\trefs/heads/main`);
    expect(gate.arrivals('flushed')).toBe(1);
  });

  test('a Redis that is killed is started again, and the build goes on', async () => {
    const service = open();
    const { hephy, gate } = service;
    const { tree } = await makeApp(service, 'redisless', waitsAt('redisless', service));
    const client = startPush(tree);
    await gate.arrived('redisless');
    const before = await redisPid(hephy);
    process.kill(before, 'SIGKILL');
    gate.open('redisless');
    const { stderr, exitCode } = await client.result;
    expect(stderr).toContain('-----> Build 1 succeeded');
    expect(exitCode).toBe(0);
    expect(gate.arrivals('redisless')).toBe(1);
    expect(await redisPid(hephy)).not.toBe(before);
  });
}
