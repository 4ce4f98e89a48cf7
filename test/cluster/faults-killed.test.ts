/** `kill -9` of the service, with a build in each state that only a cluster has: the next one brings all of them to one end. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { startGate, type Gate } from '../parts/gate.ts';
import type { RunningGitClient } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { startApiProxy, type ApiProxy } from './api-proxy.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { expectLinesOnce, makeApp, objectsOf, startPush, untilNothingIsLeft } from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let api: ApiProxy;
let gate: Gate;
let hephy: HephyOnCluster;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  [api, gate] = await Promise.all([
    startApiProxy(cluster),
    startGate(cluster.registry.split(':')[0]),
  ]);
  hephy = await startHephyOn({ ...cluster, server: api.url });
});
afterAll(async () => {
  await hephy?.close();
  await Promise.all([api?.stop(), gate?.close()]);
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const Jobs = z.object({
  items: z.array(z.object({ status: z.object({ succeeded: z.number().default(0) }) })),
});

async function hasSucceeded(app: string): Promise<boolean> {
  const jobs = `/apis/batch/v1/namespaces/${hephy.namespace}/jobs`;
  const selector = `labelSelector=${encodeURIComponent(`hephy-builder/app=${app}`)}`;
  const { items } = Jobs.parse(await cluster.api.get(`${jobs}?${selector}`));
  return items.some(({ status }) => status.succeeded > 0);
}

/** The API server never hears that a builder is canceled or done with. */
const deaf = ['PATCH', 'DELETE'].map(
  (method) => ({ do: 'reset', method, path: /\/jobs\//, times: Infinity }) as const,
);
const held = { do: 'hold', times: Infinity } as const;

/** How a push is brought into each state, one after the other: what is held for one stays held for those after it. */
const states: Readonly<Record<string, (pushing: RunningGitClient) => Promise<unknown>>> = {
  async canceling(pushing) {
    await pushing.seen('[amd64] at canceling');
    api.script(...deaf);
    pushing.interrupt();
    await hephy.inState('canceling', 1, ['canceling']);
  },
  /** Its pod has ended well, and the worker has not heard of it. */
  async ended(pushing) {
    await pushing.seen('[amd64] at ended');
    api.freeze(/watch=true|\/log\?/);
    gate.open('ended');
    await until('the end of a builder', () => hasSucceeded('ended'));
  },
  /** The KubeJob is made, and the worker has not heard of it; its Secret is not made. */
  async created() {
    const path = /\/jobs$/;
    api.script(...deaf, { ...held, method: 'POST', path });
    await api.held(path);
  },
  async preflight() {
    const path = /\/nodes\?/;
    api.script(...deaf, { ...held, path });
    await api.held(path);
  },
};

test('killed with -9 while there is a build in each state, all of them come to their end, once', async () => {
  const apps = Object.keys(states);
  const clients: RunningGitClient[] = [];
  for (const [app, bring] of Object.entries(states)) {
    const tree = await makeApp({ cluster, hephy }, app, [`RUN echo of ${app}`, gate.step(app)]);
    const pushing = startPush(tree);
    clients.push(pushing);
    await bring(pushing);
  }
  const recorded = apps.map(async (app) => [app, (await hephy.builds(app))[0]?.state]);
  expect(Object.fromEntries(await Promise.all(recorded))).toEqual({
    canceling: 'canceling',
    ended: 'building',
    created: 'building',
    preflight: 'queued',
  });
  const created = (await objectsOf({ cluster, hephy }, 'created')).map(
    (each) => each.split('/')[0],
  );
  expect(created).toContain('jobs');
  expect(created).not.toContain('secrets');

  await hephy.end('SIGKILL');
  for (const { result } of clients) expect((await result).exitCode).not.toBe(0);
  api.script();
  api.thaw();
  for (const app of apps) expect(await hephy.readTag(app, 'latest')).toBeUndefined();

  for (const app of apps) gate.open(app);
  await hephy.start();
  expect((await hephy.ended('canceling', 1)).state).toBe('canceled');
  expect(await hephy.readTag('canceling', 'latest')).toBeUndefined();
  for (const app of apps.filter((app) => app !== 'canceling')) {
    const { state, sha } = await hephy.ended(app, 1);
    expect({ app, state }).toEqual({ app, state: 'succeeded' });
    expect(await hephy.readTag(app, 'latest')).toBe(
      await hephy.readTag(app, `git-${sha.slice(0, 8)}`),
    );
    expect(gate.arrivals(app)).toBe(1);
    await expectLinesOnce({ cluster, hephy }, { app, lines: [`of ${app}`, `at ${app}`, 'open'] });
  }
  for (const app of apps) await untilNothingIsLeft({ cluster, hephy }, app);
});
