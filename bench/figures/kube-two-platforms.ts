import { startHephyOn, type HephyOnCluster } from '../../test/cluster/hephy-on-cluster.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import type { WorkTree } from '../../test/parts/git-client.ts';
import { median, milliseconds, seconds, type Figure, type Row } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { prepareByHand, type ByHand } from '../parts/kube-by-hand.ts';
import { watchKubeJobs, type KubeJob, type KubeWatch } from '../parts/kube-watch.ts';
import { eventTimes, push } from '../parts/service.ts';

const pushes = 3;
const app = 'shop';
const stepSeconds = 20;

export const kubeTwoPlatforms: Figure = {
  name: 'kube-two-platforms',
  about: 'Kubernetes: wall of a two-platform kaniko build, over its slower KubeJob alone (p50)',
  goal: 'ratio ≤ 1.02',
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(
      async (cluster) => {
        const hephy = await startHephyOn(cluster);
        try {
          return await measureOn(cluster, hephy);
        } finally {
          await hephy.close();
        }
      },
      { arm64: true },
    ),
};

async function measureOn(cluster: Cluster, hephy: HephyOnCluster): Promise<Row> {
  const { namespace } = hephy;
  const kube = await watchKubeJobs(cluster, namespace);
  const sources = hephy.inside('sources');
  const byHand = await prepareByHand({ cluster, namespace, kube, sources });
  try {
    return await measure({ cluster, hephy, kube, byHand });
  } finally {
    await byHand.close();
    await kube.close();
  }
}

interface Place {
  readonly cluster: Cluster;
  readonly hephy: HephyOnCluster;
  readonly kube: KubeWatch;
  readonly byHand: ByHand;
}

async function measure(place: Place): Promise<Row> {
  const tree = await place.hephy.createApp(app, { platforms: ['linux/amd64', 'linux/arm64'] });
  await runBoth(place, tree, { number: 1, sleepSeconds: 0 });
  const runs: Run[] = [];
  for (let number = 2; number <= pushes + 1; number += 1) {
    runs.push(await runBoth(place, tree, { number, sleepSeconds: stepSeconds }));
  }
  const middle = (value: (run: Run) => number): number => median(runs.map(value));
  const ratios = runs.map(({ wallMs, aloneMs }) => wallMs / aloneMs);
  const ratio = median(ratios);
  const overBuilt = middle(({ wallMs, aloneBuiltMs }) => wallMs / aloneBuiltMs);
  return {
    measured: seconds(middle(({ wallMs }) => wallMs)),
    floor: `${seconds(middle(({ aloneMs }) => aloneMs))} (the slower KubeJob alone, by hand, until it is complete)`,
    ratio,
    met: ratio <= 1.02,
    notes: [
      `${pushes} pushes after a quick one, each with a step that sleeps ${stepSeconds} s; ratios ${ratios.map((each) => each.toFixed(3)).join(', ')}`,
      `accepted → both KubeJobs created ${milliseconds(middle(({ beforeMs }) => beforeMs))}, last kaniko ended → released ${milliseconds(middle(({ afterMs }) => afterMs))}`,
      `alone, its kaniko ended ${milliseconds(middle(({ aloneMs, aloneBuiltMs }) => aloneMs - aloneBuiltMs))} before it was complete; over that end: ${overBuilt.toFixed(3)}`,
      `the slower was ${[...new Set(runs.map(({ slower }) => slower))].join(', ')}`,
    ],
  };
}

interface Run {
  /** Accepted to released. */
  readonly wallMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** The platform whose kaniko ended last. */
  readonly slower: string;
  /** Its KubeJob once more, by itself. */
  readonly aloneMs: number;
  readonly aloneBuiltMs: number;
}

async function runBoth(
  place: Place,
  tree: WorkTree,
  { number, sleepSeconds }: { number: number; sleepSeconds: number },
): Promise<Run> {
  const { cluster, hephy, kube, byHand } = place;
  const steps = [`FROM ${cluster.images.base}`, 'COPY change.txt /', `RUN sleep ${sleepSeconds}`];
  await tree.commit({ Dockerfile: `${steps.join('\n')}\n`, 'change.txt': `${number}\n` });
  const [{ acceptedAt }, build] = await Promise.all([push(tree), watchBuild(kube)]);
  const [releasedAt = 0] = await eventTimes(hephy, { app, number, type: 'release.created' });
  await kube.empty();
  const { builtMs, completeMs } = await byHand.run(build.last);
  await kube.empty();
  return {
    wallMs: releasedAt - acceptedAt,
    beforeMs: build.createdAt - acceptedAt,
    afterMs: releasedAt - build.endedAt,
    slower: build.last.metadata.annotations['hephy-builder/platform'] ?? '',
    aloneMs: completeMs,
    aloneBuiltMs: builtMs,
  };
}

async function watchBuild(
  kube: KubeWatch,
): Promise<{ createdAt: number; endedAt: number; last: KubeJob }> {
  const { kubeJobs, at } = await kube.made(2);
  const ends = await Promise.all(
    kubeJobs.map(async (kubeJob) => ({
      kubeJob,
      endedAt: await kube.built(kubeJob.metadata.name),
    })),
  );
  const [last] = ends.toSorted((a, b) => b.endedAt - a.endedAt);
  if (!last) throw new Error('a build without KubeJobs');
  return { createdAt: at, endedAt: last.endedAt, last: last.kubeJob };
}
