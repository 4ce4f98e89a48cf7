/** Many builds at once, with pods on a thousand fake nodes: what they ask of the API server, and that none leaves anything. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../parts/until.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { workersCalls, type ApiCall } from './api-calls.ts';
import { untilCounted } from './build-counts.ts';
import { startRolesOnFakeNodes, type RolesOnFakeNodes } from './roles-on-fake-nodes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

const count = 500;
const nodesOfEach = 500;

let cluster: Cluster;
let service: RolesOnFakeNodes;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false, number: 104, trustsNodes: true });
  const platforms = ['linux/amd64'];
  service = await startRolesOnFakeNodes(cluster, {
    platforms,
    nodes: nodesOfEach,
    concurrency: count,
  });
});
afterAll(async () => {
  await service?.close();
  await cluster?.stop();
});
showLogOnFailure(() => service?.roles);

const Listed = z.object({ items: z.array(z.unknown()) });
const Pods = z.object({
  items: z.array(z.object({ spec: z.object({ nodeName: z.string().optional() }) })),
});

function nothingAt(path: string): Promise<unknown> {
  const isEmpty = async () => Listed.parse(await cluster.api.get(path)).items.length === 0;
  return until(`nothing at ${path}`, isEmpty);
}

/** How often each thing was asked, such as `create jobs`. */
function tally(calls: readonly ApiCall[]): Record<string, number> {
  const counts = Object.entries(Object.groupBy(calls, (call) => `${call.verb} ${call.resource}`));
  return Object.fromEntries(counts.map(([what, asked]) => [what, asked?.length ?? 0]));
}

test(
  '500 builds run at once on 1,000 nodes and succeed, each with one KubeJob on a node of its architecture and at most 6 API calls',
  { timeout: 600_000 },
  async () => {
    const { database, ground } = service;
    const { namespace, builders } = ground;
    const since = new Date();
    await service.putBuilds({ count, state: 'queued' });
    await untilCounted('500 that run', ({ followed }) => followed === count, database);
    const pods = Pods.parse(await cluster.api.get(`/api/v1/namespaces/${namespace}/pods`)).items;
    expect(pods.length).toBe(count);
    expect(pods.filter(({ spec }) => !spec.nodeName?.startsWith('fake-amd64-'))).toEqual([]);
    await builders.end(await builders.running());
    // With the one before them.
    const all = count + 1;
    await untilCounted('500 that succeeded', ({ succeeded }) => succeeded === all, database);
    await nothingAt(`/apis/batch/v1/namespaces/${namespace}/jobs`);
    await nothingAt(`/api/v1/namespaces/${namespace}/pods`);

    const calls = await workersCalls({ namespace, since }, cluster);
    const { 'watch jobs': jobWatches = 0, 'watch pods': podWatches = 0, ...rest } = tally(calls);
    const { 'list nodes': pages = 0, 'delete jobs': deleted = 0, ...more } = rest;
    const { 'get pods/log': readings = 0, ...asked } = more;
    // Each of the two lasts a minute.
    expect(jobWatches + podWatches).toBeLessThan(40);
    expect(asked).toEqual({ 'create jobs': count, 'create secrets': count });
    // A list of the nodes comes in five pages, and preflights share it.
    expect(pages / count).toBeLessThan(1);
    // On a busy machine the sweep comes first with some KubeJobs.
    expect(deleted / count).toBeLessThan(1.2);
    // The log: to the container's end, and once more from there; more often where the news of the end is late.
    expect(readings / count).toBeGreaterThanOrEqual(2);
    expect((2 * count + readings + deleted + pages) / count).toBeLessThanOrEqual(6);
    const created = calls.filter(({ verb, resource }) => verb === 'create' && resource === 'jobs');
    expect(new Set(created.map(({ name }) => name)).size).toBe(count);
  },
);
