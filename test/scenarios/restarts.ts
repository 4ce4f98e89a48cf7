/** The service ends in the middle of things, and is started again: what was pushed comes to the same end, once. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunningGitClient, WorkTree } from '../parts/git-client.ts';
import type { Hephy } from '../parts/hephy.ts';
import { processesWith } from '../parts/service-process.ts';
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

export const redisSocket = ({ data }: Hephy): string => join(data, 'redis', 'socket');

/** Of the service's own redis-server; 0 if there is none. */
export async function redisPid(hephy: Hephy): Promise<number> {
  const found = (await processesWith(redisSocket(hephy))).find(({ command }) =>
    command.startsWith('redis-server'),
  );
  return found?.pid ?? 0;
}

export interface AppToBuild {
  readonly tree: WorkTree;
  readonly sha: string;
}

/** An app whose releases the hook is told of. */
export async function makeApp(
  { hephy, hook }: Service,
  name: string,
  files: Record<string, string>,
): Promise<AppToBuild> {
  const tree = await hephy.createApp(name, { ...amd64, hookUrl: hook.url });
  await hephy.call('POST', `/v1/apps/${name}/hook-secret`);
  return { tree, sha: await tree.commit(files) };
}

async function refFollows({ tree, sha }: AppToBuild): Promise<void> {
  await until('the ref', async () => (await remoteRefs(tree)).includes(`${sha}\trefs/heads/main`));
}

export function restarts(open: () => Service): void {
  test('killed with -9 while builds are queued, building, publishing and releasing, all of them end well, once', async () => {
    const service = open();
    const { hephy, gate, proxy, hook } = service;
    const apps = {
      releasing: await makeApp(service, 'releasing', tiny),
      publishing: await makeApp(service, 'publishing', tiny),
      building: await makeApp(service, 'building', waitsAt('building', service)),
      queued: await makeApp(service, 'queued', waitsAt('queued', service)),
    };
    const clients: RunningGitClient[] = [];
    const begin = ({ tree }: AppToBuild): void => void clients.push(startPush(tree));
    hook.script('silence');
    const received = hook.received.length;
    begin(apps.releasing);
    await hook.untilReceived(received + 1);
    proxy.script({ do: 'hang', method: 'PUT', path: /\/publishing\/manifests\/latest/ });
    begin(apps.publishing);
    await until('a tag that hangs', () =>
      proxy.requests.some(
        ({ method, path }) => method === 'PUT' && path.endsWith('/manifests/latest'),
      ),
    );
    begin(apps.building);
    await gate.arrived('building');
    process.kill(await redisPid(hephy), 'SIGSTOP');
    begin(apps.queued);
    for (const name of Object.keys(apps)) await hephy.inState(name, 1, [name]);

    await hephy.end('SIGKILL');
    for (const { result } of clients) expect((await result).exitCode).not.toBe(0);
    // The builder works on; the service's own servers have gone with it.
    await until('the end of the servers', async () => (await redisPid(hephy)) === 0);
    gate.open('building');
    gate.open('queued');
    await hephy.start();
    for (const [name, app] of Object.entries(apps)) {
      expect(await hephy.ended(name, 1)).toMatchObject({ app: name, state: 'succeeded' });
      expect(await hephy.readTag(name, 'latest')).toBe(
        await hephy.readTag(name, `git-${app.sha.slice(0, 8)}`),
      );
      await refFollows(app);
      const ids = hook.received
        .filter(({ body }) => body.includes(`"app":"${name}"`))
        .map(({ headers }) => headers['webhook-id']);
      expect({ name, deliveries: new Set(ids).size }).toEqual({ name, deliveries: 1 });
    }
    for (const name of ['building', 'queued']) {
      expect(gate.arrivals(name)).toBe(1);
      const lines = (await hephy.log(name, 1)).split('\n');
      for (const said of [`at ${name}`, 'open']) {
        expect(lines.filter((line) => line.trim() === `[amd64] ${said}`)).toHaveLength(1);
      }
    }
    await buildersGone(service);
  }, 120_000);

  test('a build that the service leaves when it is asked to stop is taken up by the next one', async () => {
    const service = open();
    const { hephy, gate } = service;
    const app = await makeApp(service, 'handed', waitsAt('handed', service));
    const client = startPush(app.tree);
    await gate.arrived('handed');
    expect(await hephy.end('SIGTERM')).toBe(0);
    expect((await client.result).exitCode).not.toBe(0);
    const left = await hephy.children();
    expect(left.filter(({ command }) => !command.includes('/builders/'))).toEqual([]);
    gate.open('handed');
    await hephy.start();
    expect(await hephy.ended('handed', 1)).toMatchObject({ state: 'succeeded' });
    await refFollows(app);
    expect(gate.arrivals('handed')).toBe(1);
    const again = await push(app.tree);
    expect(again.stderr).toContain('Everything up-to-date');
    await buildersGone(service);
  });
}
