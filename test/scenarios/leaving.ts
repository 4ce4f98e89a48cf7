/** A pusher who leaves with Ctrl-C, whoever else ends a build, and what is left of it: nothing. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { WorkTree } from '../parts/git-client.ts';
import { until } from '../parts/until.ts';
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

export async function pushesAgain(tree: WorkTree): Promise<void> {
  await tree.commit({ ...tiny, a: randomBytes(8).toString('hex') });
  expect(await push(tree)).toMatchObject({ exitCode: 0 });
}

/** What the service of these scenarios is started with. */
export const oneAtATime = { HEPHY_WORKER_CONCURRENCY: '1' };

export function leaving(open: () => Service): void {
  test('who leaves while the build waits or runs cancels it: its builder ends, the ref stays, the next push works', async () => {
    const service = open();
    const { hephy, gate, builders } = service;
    const running = await hephy.createApp('running', amd64);
    await running.commit(waitsAt('running', service));
    const first = startPush(running);
    await gate.arrived('running');
    const waiting = await hephy.createApp('waiting', amd64);
    await waiting.commit(waitsAt('waiting', service));
    const second = startPush(waiting);
    await second.seen('Build 1 of waiting');

    second.interrupt();
    expect(await hephy.ended('waiting', 1)).toMatchObject({ state: 'canceled' });
    expect(gate.arrivals('waiting')).toBe(0);
    expect(await builders()).not.toEqual([]);
    first.interrupt();
    expect(await hephy.ended('running', 1)).toMatchObject({ state: 'canceled' });
    await buildersGone(service);
    for (const tree of [running, waiting]) {
      expect(await remoteRefs(tree)).toBe('');
      await pushesAgain(tree);
    }
  });

  test('who leaves while it is published stops nothing: the tag moves, and the ref follows', async () => {
    const { hephy, proxy } = open();
    const app = await hephy.createApp('late', amd64);
    const sha = await app.commit({ ...tiny, a: 'late' });
    proxy.script({
      do: 'answer',
      status: 503,
      method: 'PUT',
      path: /\/late\/manifests\/latest/,
      times: 2,
    });
    const client = startPush(app);
    await client.seen('-----> Publishing');
    client.interrupt();
    await client.result;
    expect(await hephy.ended('late', 1)).toMatchObject({ state: 'succeeded' });
    await until('the ref', async () => (await remoteRefs(app)).includes(`${sha}\trefs/heads/main`));
    expect(await hephy.readTag('late', 'latest')).toBeDefined();
  });

  test('a build that somebody cancels ends within seconds, and the pusher is told who and that', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await hephy.createApp('unwanted', amd64);
    await app.commit(waitsAt('unwanted', service));
    const client = startPush(app);
    await gate.arrived('unwanted');
    const [build] = await hephy.builds('unwanted');
    const asked = performance.now();
    const answer = await hephy.call('POST', `/v1/builds/${build?.id}/cancel`, {
      reason: 'wrong branch',
    });
    expect(answer.status).toBe(202);
    const { stderr, exitCode } = await client.result;
    const tookMs = performance.now() - asked;
    expect(stderr).toContain('-----> Canceling: wrong branch\n');
    expect(stderr).toContain(
      '! [remote rejected] main -> main (canceled: wrong branch (build 1))\n',
    );
    expect(exitCode).toBe(1);
    // Two seconds is the promise for a machine that has time.
    expect(tookMs).toBeLessThan(20_000);
    await buildersGone(service);
    const again = await hephy.call('POST', `/v1/builds/${build?.id}/cancel`, {});
    expect(again).toMatchObject({ status: 409, body: { code: 'BuildEnded' } });
    await pushesAgain(app);
  });

  test('a build that is longer than its time limit is ended', async () => {
    const service = open();
    const { hephy } = service;
    const app = await hephy.createApp('slow', { ...amd64, timeLimitSeconds: 10 });
    await app.commit(waitsAt('slow', service));
    const { stderr, exitCode } = await push(app);
    expect(stderr).toMatch(
      /! \[remote rejected\] main -> main \(linux\/amd64 ran longer than its time limit.*\(build 1\)\)/,
    );
    expect(exitCode).toBe(1);
    expect(await hephy.ended('slow', 1)).toMatchObject({
      failure: { reason: 'TimeLimitExceeded' },
    });
    await buildersGone(service);
  });
}
