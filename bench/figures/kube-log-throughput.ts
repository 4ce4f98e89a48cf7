/**
 * How fast the driver reads a long log, and what a process holds meanwhile. The record keeps no more than 50 MiB of a
 * build's log, but the driver reads all of it; so this is measured at the driver, in a process that has nothing else.
 */
import { missingForCluster } from '../../test/cluster/needs.ts';
import { pushOurImage } from '../../test/cluster/hephy-on-cluster.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import {
  makeKubernetesDriverParts,
  type KubernetesDriverParts,
} from '../../packages/drivers/src/kubernetes/kubernetes-driver-parts.ts';
import { mebibytes, seconds, type Figure, type Row } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { readLogAlone, type LogReading } from '../parts/read-log-alone.ts';
import { findPod, openPodLog, type PodOfBuilder } from '../parts/pod-log.ts';

const sizeBytes = 500_000_000;
const timeLimitMs = 180_000;
const goalBytesPerSecond = 20e6;
const goalRatio = 1.25;
/** Flat: what is held does not go with what was read, ten times as much. */
const goalGrowth = 1.2;
const flat = `memory flat (≤ ${goalGrowth} of that after a tenth)`;
/** A kubelet gives only the newest file of a log, so all of it has to be in one. */
const kubelet = { containerLogMaxSize: '2Gi' };

/** A node and an API server pass on a log line by line, and so have a time per line, not per byte. */
interface LogFigure extends Pick<Figure, 'name' | 'about' | 'goal'> {
  /** With its end. */
  readonly lineBytes: number;
  readonly told: (read: Read) => string;
  readonly isMet: (ours: Read, ratio: number) => boolean;
}

export const kubeLogThroughput: Figure = figureOf({
  name: 'kube-log-throughput',
  about: 'Kubernetes: a 500 MB log of a pod, in lines of 1,000 bytes, read by the driver',
  goal: `≥ 20 MB/s, ${flat}`,
  lineBytes: 1_000,
  told: (read) => `${(perSecond(read) / 1e6).toFixed(1)} MB/s`,
  isMet: (ours) => perSecond(ours) >= goalBytesPerSecond,
});

export const kubeLogLines: Figure = figureOf({
  name: 'kube-log-lines',
  about: 'Kubernetes: the same of lines of 100 bytes',
  goal: `ratio ≤ ${goalRatio}, ${flat}`,
  lineBytes: 100,
  told: (read) => `${Math.round(perSecond(read) / 100_000)},000 lines/s`,
  isMet: (_, ratio) => ratio <= goalRatio,
});

function figureOf(figure: LogFigure): Figure {
  const { name, about, goal } = figure;
  const measure = () =>
    withOwnCluster(
      async (cluster) => {
        const parts = await makeKubernetesDriverParts(cluster, await pushOurImage(cluster));
        try {
          return await measureLog(figure, cluster, parts);
        } finally {
          await parts.close();
        }
      },
      { kubelet },
    );
  return { name, about, goal, needs: missingForCluster, measure };
}

async function measureLog(
  figure: LogFigure,
  cluster: Cluster,
  parts: KubernetesDriverParts,
): Promise<Row> {
  const { namespace } = parts;
  const { kubeconfig } = cluster;
  const builder = await startWriter(figure, parts);
  const read = (): Promise<LogReading> =>
    readLogAlone({ kubeconfig, namespace, builder, earlyBytes: sizeBytes / 10 }).then(checked);
  const live = await read();
  const pod = await findPod({ namespace, ended: true }, cluster);
  const floor = checked(await readRaw(pod, cluster));
  const ours = await read();
  return rowOf({ live, ours, floor }, figure);
}

type Read = Pick<LogReading, 'bytes' | 'readMs'>;

function checked<T extends Read>(read: T): T {
  if (read.bytes !== sizeBytes) throw new Error(`${read.bytes} bytes of ${sizeBytes} were read`);
  return read;
}

function perSecond({ bytes, readMs }: Read): number {
  return bytes / (readMs / 1000);
}

function rowOf(
  { live, ours, floor }: { live: LogReading; ours: LogReading; floor: Read },
  { told, isMet }: LogFigure,
): Row {
  const growth = Math.max(live.growth, ours.growth);
  const ratio = ours.readMs / floor.readMs;
  return {
    measured: `${told(ours)}, memory × ${growth.toFixed(2)}`,
    floor: `${told(floor)} (the same log read at the API server)`,
    ratio,
    met: isMet(ours, ratio) && growth <= goalGrowth,
    notes: [
      `followed while the pod wrote it: ${told(live)}, at most ${mebibytes(live.aboveBytes)} above idle (${mebibytes(live.idleBytes)}); then, and at the floor, of the pod that has ended: at most ${mebibytes(ours.aboveBytes)} above`,
      `the process that follows used ${seconds(ours.cpuMs)} of CPU time, and ${seconds(live.cpuMs)} while the pod wrote; the rest is the kubelet's and the API server's`,
    ],
  };
}

/** A builder that writes the log as fast as it can; answers its name. */
async function startWriter(
  { lineBytes }: LogFigure,
  parts: KubernetesDriverParts,
): Promise<string> {
  const line = 'The step compiles one more of many files, and says so '.padEnd(lineBytes - 1, '.');
  const limits = { memory: '256Mi', 'ephemeral-storage': '4Gi' };
  const requests = { cpu: '10m', memory: '16Mi', 'ephemeral-storage': '1Mi' };
  const driver = parts.openDriver({ job: { resources: { requests, limits } } });
  const spec = await parts.specOf(`yes '${line}' | head -c ${sizeBytes}`, { timeLimitMs });
  const started = await driver.startOrAdopt(spec);
  if (!started.ok) throw new Error(started.failure.reason);
  return spec.name;
}

async function readRaw(pod: PodOfBuilder, cluster: Cluster): Promise<Read> {
  const startedAt = performance.now();
  let bytes = 0;
  for await (const part of await openPodLog({ ...pod, follow: false }, cluster)) {
    bytes += (part as Buffer).length;
  }
  return { bytes, readMs: performance.now() - startedAt };
}
