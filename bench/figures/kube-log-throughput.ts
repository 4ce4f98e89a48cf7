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

/** As long as most: 100 bytes with its end. */
const line = 'The step compiles one more of many files, and says so '.padEnd(99, '.');
const sizeBytes = 500_000_000;
const timeLimitMs = 180_000;
const goalBytesPerSecond = 20e6;
const goalMemoryBytes = 64 * 2 ** 20;
/** A kubelet gives only the newest file of a log, so all of it has to be in one. */
const kubelet = { containerLogMaxSize: '2Gi' };

export const kubeLogThroughput: Figure = {
  name: 'kube-log-throughput',
  about: 'Kubernetes: a 500 MB log of a pod, read by the driver',
  goal: '≥ 20 MB/s, memory flat (≤ 64 MiB above idle)',
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(
      async (cluster) => {
        const parts = await makeKubernetesDriverParts(cluster, await pushOurImage(cluster));
        try {
          return await measure(cluster, parts);
        } finally {
          await parts.close();
        }
      },
      { kubelet },
    ),
};

async function measure(cluster: Cluster, parts: KubernetesDriverParts): Promise<Row> {
  const { namespace } = parts;
  const builder = await startWriter(parts);
  const read = (): Promise<LogReading> =>
    readLogAlone({ kubeconfig: cluster.kubeconfig, namespace, builder }).then(checked);
  const live = await read();
  const pod = await findPod({ namespace, ended: true }, cluster);
  const floor = checked(await readRaw(pod, cluster));
  const ours = await read();
  return rowOf({ live, ours, floor });
}

type Read = Pick<LogReading, 'bytes' | 'readMs'>;

function checked<T extends Read>(read: T): T {
  if (read.bytes !== sizeBytes) throw new Error(`${read.bytes} bytes of ${sizeBytes} were read`);
  return read;
}

const perSecond = ({ bytes, readMs }: Read): number => bytes / (readMs / 1000);
const told = (read: Read): string => `${(perSecond(read) / 1e6).toFixed(1)} MB/s`;

function rowOf({ live, ours, floor }: { live: LogReading; ours: LogReading; floor: Read }): Row {
  const aboveBytes = Math.max(live.aboveBytes, ours.aboveBytes);
  return {
    measured: `${told(ours)}, ${mebibytes(aboveBytes)} above idle`,
    floor: `${told(floor)} (the same log read at the API server)`,
    ratio: ours.readMs / floor.readMs,
    met: perSecond(ours) >= goalBytesPerSecond && aboveBytes <= goalMemoryBytes,
    notes: [
      `followed while the pod wrote it: ${told(live)}, ${mebibytes(live.aboveBytes)} above idle (${mebibytes(live.idleBytes)}); then, and at the floor, of the pod that has ended`,
      `lines of ${line.length + 1} bytes; the process that follows used ${seconds(ours.cpuMs)} of CPU time, and ${seconds(live.cpuMs)} while the pod wrote; the rest is the kubelet's and the API server's`,
    ],
  };
}

/** A builder that writes the log as fast as it can; answers its name. */
async function startWriter(parts: KubernetesDriverParts): Promise<string> {
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
