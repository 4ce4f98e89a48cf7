import { randomBytes } from 'node:crypto';
import { workersCalls } from '../../test/cluster/api-calls.ts';
import { makeFakeGround, type FakeGround } from '../../test/cluster/fake-ground.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import { startHephy, type Hephy } from '../../test/parts/hephy.ts';
import { median, milliseconds, percentile, timed, type Figure, type Row } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { push } from '../parts/service.ts';

const pushes = 25;
/** The first makes the repository and sends all of the tree; the next find nothing warm. */
const warmUpPushes = 5;
const app = 'shop';
const goalMs = 250;

export const kubeTimeToStart: Figure = {
  name: 'kube-time-to-start',
  about: 'Kubernetes: push accepted → both KubeJobs created, 10 MB tree (p95)',
  goal: `≤ ${goalMs} ms`,
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(async (cluster) => {
      const ground = await makeFakeGround(cluster, { nodes: 1, concurrency: 4 });
      const hephy = await startHephy({ environment: ground.environment });
      try {
        return await measure({ cluster, ground, hephy });
      } finally {
        await hephy.close();
        await ground.close();
      }
    }),
};

interface Place {
  readonly cluster: Cluster;
  readonly ground: FakeGround;
  readonly hephy: Hephy;
}

async function measure(place: Place): Promise<Row> {
  const tree = await place.hephy.createApp(app, { platforms: ['linux/amd64', 'linux/arm64'] });
  await tree.commit({ Dockerfile: 'FROM scratch\nCOPY data /data\n', ...tenMegabytes() });
  const started: number[] = [];
  const floors: number[] = [];
  for (let number = 1; number <= warmUpPushes + pushes; number += 1) {
    await tree.commit({ 'change.txt': `${number}\n` });
    const since = new Date();
    const { acceptedAt } = await place.ground.builders.endWhile(() => push(tree));
    const createdAt = await jobsCreatedAt(place, since);
    const floorMs = await timed(() => createTwoJobs(place));
    if (number <= warmUpPushes) continue;
    started.push(createdAt - acceptedAt);
    floors.push(floorMs);
  }
  const p95 = percentile(started, 0.95);
  const floor = percentile(floors, 0.95);
  return {
    measured: milliseconds(p95),
    floor: `${milliseconds(floor)} (two KubeJobs made by hand)`,
    ratio: p95 / floor,
    met: p95 <= goalMs,
    notes: [
      `${pushes} pushes after ${warmUpPushes} others; p50 ${milliseconds(median(started))}, floor ${milliseconds(median(floors))}`,
      'accepted: the first remote: line is at the client; created: the API server has answered, by its audit log',
    ],
  };
}

/** 10 MB that do not compress, in 40 files. */
function tenMegabytes(): Record<string, Buffer> {
  const names = Array.from({ length: 40 }, (_, number) => `data/part-${number}.bin`);
  return Object.fromEntries(names.map((name) => [name, randomBytes(250_000)]));
}

/** When the second of the two was. */
async function jobsCreatedAt(
  { cluster, ground: { namespace } }: Place,
  since: Date,
): Promise<number> {
  const calls = await workersCalls({ namespace, since }, cluster);
  const created = calls.filter(({ verb, resource }) => verb === 'create' && resource === 'jobs');
  if (created.length !== 2) throw new Error(`a build made ${created.length} KubeJobs`);
  return Math.max(...created.map(({ answeredAt }) => answeredAt.getTime()));
}

async function createTwoJobs({ cluster, ground: { namespace } }: Place): Promise<void> {
  const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const containers = [{ name: 'build', image: 'none' }];
  const template = { spec: { restartPolicy: 'Never', containers } };
  const spec = { suspend: true, template };
  const made = await Promise.all(
    [1, 2].map(() =>
      cluster.api.send('POST', path, { metadata: { generateName: 'by-hand-' }, spec }),
    ),
  );
  for (const { status } of made) if (status !== 201) throw new Error(`answered ${status}`);
}
