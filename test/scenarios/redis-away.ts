/** A Redis of the operator's own is gone for half a minute in the middle of a build, and comes back empty. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pushBusyboxOfAmd64 } from '../parts/busybox.ts';
import { startRedis, type TestRedis } from '../parts/redis.ts';
import type { Hephy } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { push, remoteRefs, startPush, tiny, useService, type Ground } from './ground.ts';

async function logLines({ logFile }: Hephy): Promise<number> {
  return (await readFile(logFile, 'utf8')).split('\n').length;
}

export function redisAway(ground: () => Ground): void {
  describe("with a Redis of the operator's own", () => {
    let redis: TestRedis;
    beforeAll(async () => {
      redis = await startRedis({ tcp: true });
    });
    afterAll(() => redis?.stop());
    const open = useService(ground, () => ({ HEPHY_REDIS_URL: redis.url }));

    test('a Redis that is away until the pusher is told, and comes back empty, costs a build nothing but time', async () => {
      const { hephy, gate, hook, registry, proxy } = open();
      const tree = await hephy.createApp('redisless', {
        platforms: ['linux/amd64', 'linux/arm64'],
        requireNativeNodes: false,
        hookUrl: hook.url,
      });
      await hephy.call('POST', '/v1/apps/redisless/hook-secret');
      // Both platforms run their step on one architecture, so that both are at work when Redis goes.
      const ofAmd64 = await pushBusyboxOfAmd64(registry.host, hephy.folder);
      const from = `FROM ${proxy.host}/${ofAmd64} AS first\nARG TARGETARCH`;
      const step = `${gate.step('away')} && echo $TARGETARCH > /arch`;
      const sha = await tree.commit({
        Dockerfile: `${from}\n${step}\nFROM scratch\nCOPY --from=first /arch /\n`,
      });
      const client = startPush(tree);
      await until('both platforms at the door', () => gate.arrivals('away') === 2);
      await redis.kill('SIGTERM');
      const before = await logLines(hephy);
      gate.open('away');
      await client.seen('[arm64] built in');
      await client.seen('[amd64] built in');
      // Said after 30 s: every lease and lock from before is over by then.
      await client.seen(
        'Build 1 waits: the service does not reach its redis; it goes on by itself when it does again',
      );
      expect((await logLines(hephy)) - before).toBeLessThan(30);
      expect(await fetch(`${hephy.apiUrl}/livez`)).toMatchObject({ status: 200 });
      const ready = await hephy.call('GET', '/readyz');
      expect(ready).toMatchObject({ status: 200, body: { checks: { redis: 'failed' } } });

      await redis.start();
      const { stderr, exitCode } = await client.result;
      expect(stderr).toContain('-----> Build 1 succeeded');
      expect(
        stderr.match(/-----> Publishing|-----> Releasing redisless v1|Build 1 waits/g),
      ).toEqual(['Build 1 waits', '-----> Publishing', '-----> Releasing redisless v1']);
      expect(exitCode).toBe(0);
      expect(await remoteRefs(tree)).toContain(`${sha}\trefs/heads/main`);
      const released = await hephy.readTag('redisless', 'latest');
      expect(released).toMatch(/"amd64".*"arm64"/s);
      expect(await hephy.readTag('redisless', `git-${sha.slice(0, 8)}`)).toBe(released);
      expect(gate.arrivals('away')).toBe(2);
      expect(hook.received).toHaveLength(1);

      await tree.commit(tiny);
      expect(await push(tree)).toMatchObject({ exitCode: 0 });
    }, 120_000);
  });
}
