/** How long a canceled build's KubeJob, pods and Secret stay, while a step runs and while no node takes the pod. */
import { startHephyOn, type HephyOnCluster } from '../../test/cluster/hephy-on-cluster.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import { objectsOf } from '../../test/cluster/pushes.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import { until } from '../../test/parts/until.ts';
import { median, milliseconds, percentile, seconds, timed, type Figure } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { startPush } from '../parts/service.ts';

const builds = 10;
const goalMs = 5_000;
/** Far longer than a cancel may take: what ends a step is the cancel. */
const step = 'sleep 300';

export const kubeCancel: Figure = {
  name: 'kube-cancel',
  about:
    'Kubernetes: cancel asked for → KubeJob, pods and Secret gone and the build canceled (p95)',
  goal: `≤ ${goalMs / 1000} s`,
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(async (cluster) => {
      const hephy = await startHephyOn(cluster);
      const place = { cluster, hephy };
      try {
        const running = await cancelBuilds(place, {
          app: 'running',
          settings: { platforms: ['linux/amd64'] },
          isAtWork: async () => (await podsIn(place)).some(isRunning),
        });
        const floors: number[] = [];
        for (let run = 0; run < builds; run += 1) floors.push(await suspendByHand(place));
        const pending = await cancelBuilds(place, {
          app: 'pending',
          settings: { platforms: ['linux/arm64'], waitForNodesSeconds: 600 },
          isAtWork: async () => (await podsIn(place)).some(isUnschedulable),
        });
        const p95 = percentile(running, 0.95);
        const pendingP95 = percentile(pending, 0.95);
        const floor = percentile(floors, 0.95);
        return {
          measured: seconds(p95),
          floor: `${seconds(floor)} (a KubeJob like it, suspended by hand, until its pod is gone)`,
          ratio: p95 / floor,
          met: Math.max(p95, pendingP95) <= goalMs,
          notes: [
            `${builds} builds whose step runs (p50 ${milliseconds(median(running))}), and ${builds} whose pod no node takes: p95 ${milliseconds(pendingP95)}`,
            'asked by POST /v1/builds/:id/cancel; a stopped pod has 2 s to end by itself',
          ],
        };
      } finally {
        await hephy.close();
      }
    }),
};

interface Place {
  readonly cluster: Cluster;
  readonly hephy: HephyOnCluster;
}

/** Pushes and cancels one build after the other; answers the milliseconds that each took. */
async function cancelBuilds(
  place: Place,
  asked: { app: string; settings: object; isAtWork: () => Promise<boolean> },
): Promise<number[]> {
  const { cluster, hephy } = place;
  const { app, settings, isAtWork } = asked;
  const tree = await hephy.createApp(app, settings);
  const taken: number[] = [];
  for (let number = 1; number <= builds; number += 1) {
    await tree.commit({ Dockerfile: `FROM ${cluster.images.base}\nRUN ${step} # ${number}\n` });
    const { result } = startPush(tree);
    const { id } = await hephy.inState(app, number, ['building']);
    await until('a builder at work', isAtWork, 120_000);
    const goneMs = timed(async () => {
      await hephy.call('POST', `/v1/builds/${id}/cancel`, {});
      await hephy.inState(app, number, ['canceled']);
      await until('no object', async () => (await objectsOf(place, app)).length === 0);
    });
    taken.push(await goneMs);
    await result;
  }
  return taken;
}

interface Pod {
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly reason?: string }[];
    readonly containerStatuses?: readonly { readonly state: { readonly running?: unknown } }[];
  };
}

async function podsIn({ cluster, hephy: { namespace } }: Place): Promise<readonly Pod[]> {
  const list = await cluster.api.get(`/api/v1/namespaces/${namespace}/pods`);
  return (list as { items: readonly Pod[] }).items;
}

function isRunning({ status }: Pod): boolean {
  return status.containerStatuses?.some(({ state }) => state.running !== undefined) ?? false;
}

function isUnschedulable({ status }: Pod): boolean {
  return status.conditions?.some(({ reason }) => reason === 'Unschedulable') ?? false;
}

/** What nobody can go below: the same grace, and no service that looks after it. */
async function suspendByHand(place: Place): Promise<number> {
  const { cluster, hephy } = place;
  const kubeJobs = `/apis/batch/v1/namespaces/${hephy.namespace}/jobs`;
  const command = step.split(' ');
  const containers = [{ name: 'build', image: cluster.images.base, command }];
  const spec = { restartPolicy: 'Never', terminationGracePeriodSeconds: 2, containers };
  const kubeJob = { metadata: { name: 'by-hand' }, spec: { template: { spec } } };
  await cluster.api.send('POST', kubeJobs, kubeJob);
  await until('a pod that runs', async () => (await podsIn(place)).some(isRunning));
  const goneMs = await timed(async () => {
    await cluster.api.send('PATCH', `${kubeJobs}/by-hand`, { spec: { suspend: true } });
    await until('no pod', async () => (await podsIn(place)).length === 0);
  });
  await cluster.api.send('DELETE', `${kubeJobs}/by-hand?propagationPolicy=Background`);
  await until('no KubeJob', async () => {
    return (await cluster.api.send('GET', `${kubeJobs}/by-hand`)).status === 404;
  });
  return goneMs;
}
