/** Receiver, two workers, publisher and API as processes of their own, on PostgreSQL, Redis and a registry. */
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGate, type Gate } from '../parts/gate.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { startRoles } from '../parts/hephy-roles.ts';
import { until } from '../parts/until.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../parts/webhook-receiver.ts';
import { amd64, push, remoteRefs, startPush, tiny, waitsAt, type Ground } from './ground.ts';

export function separateRoles(ground: () => Ground): void {
  describe('with the roles apart', () => {
    let hephy: Awaited<ReturnType<typeof startRoles>>;
    let gate: Gate;
    let hook: WebhookReceiver;
    let base: string;
    beforeAll(async () => {
      const { address, settings } = ground();
      [hephy, gate, hook] = await Promise.all([
        startRoles(['receiver', 'worker', 'worker', 'publisher', 'api'], {
          environment: settings,
          address,
        }),
        startGate(address),
        startWebhookReceiver(),
      ]);
      base = await hephy.baseImage();
    });
    afterAll(() => Promise.all([hephy?.close(), gate?.close(), hook?.close()]));
    showLogOnFailure(() => hephy);

    async function makeApp(name: string, files: Record<string, string>) {
      const tree = await hephy.createApp(name, { ...amd64, hookUrl: hook.url });
      await hephy.call('POST', `/v1/apps/${name}/hook-secret`);
      return { tree, sha: await tree.commit(files) };
    }

    function deliveryIdsOf(name: string): Set<string | undefined> {
      const mine = hook.received.filter(({ body }) => body.includes(`"app":"${name}"`));
      return new Set(mine.map(({ headers }) => headers['webhook-id']));
    }

    test('one push goes through all of them', async () => {
      const { tree, sha } = await makeApp('shop', tiny);
      const { stderr, exitCode } = await startPush(tree).result;
      expect(stderr).toContain('-----> Releasing shop v1\n');
      expect(exitCode).toBe(0);
      expect(await remoteRefs(tree)).toContain(`${sha}\trefs/heads/main`);
      expect(deliveryIdsOf('shop').size).toBe(1);
    });

    test('workers, publisher and API killed with -9 in the middle are replaced, and the pusher only waits', async () => {
      const building = await makeApp('building', waitsAt('building', { base, gate }));
      const publishing = await makeApp('publishing', tiny);
      hephy.proxy.script({ do: 'hang', method: 'PUT', path: /\/publishing\/manifests\/latest/ });
      const clients = [startPush(building.tree), startPush(publishing.tree)];
      await gate.arrived('building');
      await until('a tag that hangs', () =>
        hephy.proxy.requests.some(
          ({ method, path }) => method === 'PUT' && path.endsWith('/publishing/manifests/latest'),
        ),
      );
      for (const role of ['worker', 'publisher', 'api'] as const) await hephy.end(role, 'SIGKILL');
      gate.open('building');
      for (const role of ['worker', 'publisher', 'api'] as const) await hephy.start(role);
      for (const { result } of clients) {
        const { stderr, exitCode } = await result;
        expect(stderr).toContain('-----> Build 1 succeeded');
        expect(exitCode).toBe(0);
      }
      expect(gate.arrivals('building')).toBe(1);
      expect([deliveryIdsOf('building').size, deliveryIdsOf('publishing').size]).toEqual([1, 1]);
    });

    test('a publisher killed with -9 while it asks whether a tag may move is replaced, though Redis has forgotten it', async () => {
      const { tree } = await makeApp('asking', tiny);
      expect(await push(tree)).toMatchObject({ exitCode: 0 });
      const sha = await tree.commit({ ...tiny, a: 'b' });
      hephy.proxy.script({ do: 'hang', method: 'PUT', path: /\/asking\/manifests\/latest/ });
      const client = startPush(tree);
      await until('a question that hangs', () =>
        hephy.proxy.requests.some(
          ({ method, path }) => method === 'PUT' && path.endsWith('/asking/manifests/latest'),
        ),
      );
      await hephy.end('publisher', 'SIGKILL');
      await hephy.redis.flush();
      await hephy.start('publisher');
      const { stderr, exitCode } = await client.result;
      expect(stderr).toContain('-----> Build 2 succeeded');
      expect(exitCode).toBe(0);
      const registry = createRegistryClient({ registry: hephy.registry, plainHttp: true });
      for (const tag of ['latest', `git-${sha.slice(0, 8)}`]) {
        const { digest } = (await registry.headManifest('asking', tag)) ?? {};
        expect(stderr).toContain(`asking@${digest}`);
      }
      await registry.close();
    });

    test('a receiver killed with -9 loses its clients, not their builds: the ref follows', async () => {
      const { tree, sha } = await makeApp('received', waitsAt('received', { base, gate }));
      const client = startPush(tree);
      await gate.arrived('received');
      await hephy.end('receiver', 'SIGKILL');
      expect((await client.result).exitCode).not.toBe(0);
      gate.open('received');
      expect(await hephy.ended('received', 1)).toMatchObject({ state: 'succeeded' });
      await hephy.start('receiver');
      await until('the ref', async () =>
        (await remoteRefs(tree)).includes(`${sha}\trefs/heads/main`),
      );
    });

    test('a push while PostgreSQL is away is refused with a sentence; a build meanwhile ends well', async () => {
      const under = await makeApp('under', waitsAt('under', { base, gate }));
      const other = await makeApp('other', tiny);
      const client = startPush(under.tree);
      await gate.arrived('under');
      await hephy.postgres.crash();
      const refused = await startPush(other.tree).result;
      expect(refused.stderr).toContain(
        'remote: the git service failed; its log says why, try again later\n',
      );
      expect(refused.exitCode).toBe(128);
      await hephy.postgres.start();
      gate.open('under');
      const { stderr, exitCode } = await client.result;
      expect(stderr).toContain('-----> Build 1 succeeded');
      expect(exitCode).toBe(0);
      expect(await push(other.tree)).toMatchObject({
        exitCode: 0,
      });
    });

    test('a push while Redis is away is recorded, and built when Redis is back', async () => {
      const { tree } = await makeApp('waiting', tiny);
      await hephy.redis.kill();
      const client = startPush(tree);
      await hephy.inState('waiting', 1, ['queued']);
      await hephy.redis.start();
      const { stderr, exitCode } = await client.result;
      expect(stderr).toContain('-----> Build 1 succeeded');
      expect(exitCode).toBe(0);
    });

    test('each of them ends with 0 when it is asked to', async () => {
      for (const role of ['receiver', 'worker', 'publisher', 'api'] as const) {
        const codes = new Set(await hephy.end(role, 'SIGTERM'));
        expect({ role, codes }).toEqual({ role, codes: new Set([0]) });
      }
    });
  });
}
