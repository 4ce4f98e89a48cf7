/**
 * What a build costs the service while many others wait. The builds are in the record as they are after their preflight;
 * a few at a time get their pods, on fake nodes, and go through to their release.
 */
import { sql } from 'kysely';
import { workersCalls } from '../../test/cluster/api-calls.ts';
import { countBuilds, untilCounted, type BuildCounts } from '../../test/cluster/build-counts.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import {
  startRolesOnFakeNodes,
  type RolesOnFakeNodes,
} from '../../test/cluster/roles-on-fake-nodes.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import { until } from '../../test/parts/until.ts';
import { milliseconds, type Figure } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { cpuMs } from '../parts/cpu.ts';

const few = 100;
const many = 10_000;
/** Platform builds at once. */
const concurrency = 8;
const measuredBuilds = 100;
const warmUpBuilds = 150;
const goal = 1.1;
const withinMs = 240_000;

export const kubeQueue: Figure = {
  name: 'kube-queue',
  about:
    'Kubernetes: cost of a build (CPU time, API calls) with 10,000 queued, over with 100 queued',
  goal: `ratio ≤ ${goal}`,
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(async (cluster) => {
      const platforms = ['linux/amd64', 'linux/arm64'];
      const service = await startRolesOnFakeNodes(cluster, { platforms, nodes: 2, concurrency });
      const place = { cluster, service };
      try {
        return await service.ground.builders.endWhile(async () => {
          await service.putBuilds({ count: warmUpBuilds, state: 'building' });
          await ended(service, warmUpBuilds + 1);
          const withFew = await costOfBuild(place, few);
          const withMany = await costOfBuild(place, many);
          const cpuRatio = withMany.cpuMs / withFew.cpuMs;
          const callRatio = withMany.apiCalls / withFew.apiCalls;
          const ratio = Math.max(cpuRatio, callRatio);
          return {
            measured: told(withMany),
            floor: `${told(withFew)} (${few} queued)`,
            ratio,
            met: ratio <= goal,
            notes: [
              `${measuredBuilds} builds of two platforms each, ${concurrency} platforms at once, of all four roles; CPU ratio ${cpuRatio.toFixed(3)}, API calls ${callRatio.toFixed(3)}`,
              'builds wait after their preflight; PostgreSQL and Redis are not counted, nor are the shared watches',
            ],
          };
        });
      } finally {
        await service.close();
      }
    }),
};

interface Place {
  readonly cluster: Cluster;
  readonly service: RolesOnFakeNodes;
}

interface Cost {
  readonly cpuMs: number;
  readonly apiCalls: number;
}

function told({ cpuMs: used, apiCalls }: Cost): string {
  return `${milliseconds(used)}, ${apiCalls.toFixed(1)} calls`;
}

/** Of one build, at the mean, while at least so many others wait. */
async function costOfBuild({ cluster, service }: Place, waiting: number): Promise<Cost> {
  const { roles, ground } = service;
  const before = (await countBuilds(service.database)).succeeded;
  await service.putBuilds({ count: waiting + measuredBuilds, state: 'building' });
  await until('all have been looked at', () => areAllSeen(service), withinMs);
  const from = (await countBuilds(service.database)).succeeded;
  if (from > before) await service.putBuilds({ count: from - before, state: 'building' });
  const pids = (['receiver', 'worker', 'publisher', 'api'] as const).flatMap(roles.pids);
  const since = new Date();
  const cpuBefore = await cpuMs(pids);
  const to = await ended(service, from + measuredBuilds);
  const used = (await cpuMs(pids)) - cpuBefore;
  const calls = await workersCalls({ namespace: ground.namespace, since }, cluster);
  const count = to - from;
  return {
    cpuMs: used / count,
    apiCalls: calls.filter(({ verb }) => verb !== 'watch').length / count,
  };
}

/** Waits until so many have ended in all; answers how many have. */
async function ended({ database }: RolesOnFakeNodes, count: number): Promise<number> {
  const isEnough = ({ succeeded }: BuildCounts) => succeeded >= count;
  return (await untilCounted(`${count} builds have ended`, isEnough, database)).succeeded;
}

/** Whether each has been handed to the queue: until then it is to be asked for at once. */
async function areAllSeen({ database: { db } }: RolesOnFakeNodes): Promise<boolean> {
  const unseen = await db
    .selectFrom('builds')
    .select('id')
    .where('state', '=', 'building')
    .where(sql<boolean>`ask_again_at < created_at + interval '1 second'`)
    .limit(1)
    .executeTakeFirst();
  return unseen === undefined;
}
