/** What a worker holds while many builds run, each with its pod on a fake node and its log followed. */
import { setTimeout as delay } from 'node:timers/promises';
import { untilCounted } from '../../test/cluster/build-counts.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import {
  startRolesOnFakeNodes,
  type RolesOnFakeNodes,
} from '../../test/cluster/roles-on-fake-nodes.ts';
import { mebibytes, type Figure } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { readMemory, resetPeak } from '../parts/memory.ts';

const many = 500;
/** One after the other, so that all code has run and no crowd has left its marks. */
const warmUpBuilds = 20;
const goal = 1.5;
/** What starting them has left behind is collected or stays. */
const settleMs = 10_000;

export const kubeMemory: Figure = {
  name: 'kube-memory',
  about: "Kubernetes: the worker's memory at 500 running builds, over at 1",
  goal: `ratio ≤ ${goal}`,
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(async (cluster) => {
      const platforms = ['linux/amd64'];
      const nodes = 8;
      const service = await startRolesOnFakeNodes(cluster, { platforms, nodes, concurrency: many });
      try {
        const { database, ground } = service;
        const { builders } = ground;
        await builders.endWhile(async () => {
          for (let count = 1; count <= warmUpBuilds; count += 1) {
            await service.putBuilds({ count: 1, state: 'queued' });
            await untilCounted('it has ended', ({ succeeded }) => succeeded > count, database);
          }
        });
        const one = await memoryWith(service, 1);
        await resetPeak(one.pid);
        const all = await memoryWith(service, many);
        const ratio = all.nowBytes / one.nowBytes;
        return {
          measured: mebibytes(all.nowBytes),
          floor: `${mebibytes(one.nowBytes)} (one build)`,
          ratio,
          met: ratio <= goal,
          notes: [
            `one platform each, all pods running and every log followed; at most ${mebibytes(all.peakBytes)} while they began`,
            `after ${warmUpBuilds} builds one after the other, and ${settleMs / 1000} s of rest each time`,
          ],
        };
      } finally {
        await service.close();
      }
    }),
};

interface Held {
  readonly pid: number;
  readonly nowBytes: number;
  readonly peakBytes: number;
}

/** Has so many builds run, and answers what the worker holds then. */
async function memoryWith(service: RolesOnFakeNodes, count: number): Promise<Held> {
  const { roles, ground, database } = service;
  const there = (await ground.builders.running()).length;
  await service.putBuilds({ count: count - there, state: 'queued' });
  await untilCounted(`${count} that run`, ({ followed }) => followed === count, database);
  await delay(settleMs);
  const [pid = 0] = roles.pids('worker');
  return { pid, ...(await readMemory(pid)) };
}
