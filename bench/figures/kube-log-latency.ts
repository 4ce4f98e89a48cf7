/**
 * How long a line takes from the step that writes it to the pusher's terminal. The step asks the figure for each line, so
 * a line holds the moment of its answer by this machine's clock; what wget needs to print it counts against us.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startHephyOn } from '../../test/cluster/hephy-on-cluster.ts';
import { missingForCluster } from '../../test/cluster/needs.ts';
import type { Cluster } from '../../test/cluster/start-cluster.ts';
import { median, milliseconds, percentile, type Figure, type Row } from '../figure.ts';
import { withOwnCluster } from '../parts/cluster.ts';
import { findPod, openPodLog } from '../parts/pod-log.ts';
import { startPush } from '../parts/service.ts';

const lines = 200;
/** Until then a reader may still be on its way to the log. */
const warmUpLines = 20;
/** From the shortest on, each a little longer, and again: so that lines fall on no beat of what carries them. */
const shortestPauseMs = 60;
const pauses = 60;
const app = 'shop';
const goalMs = 150;

export const kubeLogLatency: Figure = {
  name: 'kube-log-latency',
  about: "Kubernetes: log line written in the pod → on the pusher's terminal (p95)",
  goal: `≤ ${goalMs} ms`,
  needs: missingForCluster,
  measure: () =>
    withOwnCluster(async (cluster) => {
      const hephy = await startHephyOn(cluster);
      const clock = await startClock(cluster);
      try {
        const tree = await hephy.createApp(app, { platforms: ['linux/amd64'] });
        const step = `while wget -q -O - ${clock.url}; do :; done`;
        await tree.commit({ Dockerfile: `FROM ${cluster.images.base}\nRUN ${step}\n` });
        const client = startPush(tree);
        const ours = noteDelays(client.child.stderr!);
        const pod = await findPod({ namespace: hephy.namespace }, cluster);
        const log = await openPodLog({ ...pod, follow: true }, cluster);
        const floor = noteDelays(log);
        const [{ exitCode, stderr }] = await Promise.all([client.result, once(log, 'end')]);
        if (exitCode !== 0) throw new Error(`git push ended with ${exitCode}: ${stderr}`);
        return rowOf({ ours, floor });
      } finally {
        clock.close();
        await hephy.close();
      }
    }),
};

/** Milliseconds from a line's writing to its arrival, by the line's number. */
type Delays = ReadonlyMap<number, number>;

function rowOf({ ours, floor }: { ours: Delays; floor: Delays }): Row {
  const all = [ours, floor].map((delays) => {
    const counted = [...delays].filter(([number]) => number > warmUpLines);
    if (counted.length !== lines - warmUpLines) throw new Error(`${counted.length} lines arrived`);
    return counted.map(([, delayMs]) => delayMs);
  });
  const [oursMs = [], floorMs = []] = all;
  const p95 = percentile(oursMs, 0.95);
  const floorP95 = percentile(floorMs, 0.95);
  return {
    measured: milliseconds(p95),
    floor: `${milliseconds(floorP95)} (the log followed at the API server, the same lines)`,
    ratio: p95 / floorP95,
    met: p95 <= goalMs,
    notes: [
      `${lines - warmUpLines} lines after ${warmUpLines} others; p50 ${milliseconds(median(oursMs))}, longest ${milliseconds(Math.max(...oursMs))}; floor ${milliseconds(median(floorMs))}`,
      `a RUN step of a kaniko build on the amd64 node, ${shortestPauseMs} to ${shortestPauseMs + pauses} ms between its lines; all roles in one process`,
    ],
  };
}

/** Answers each request, after a pause, with the next line. */
async function startClock({ registry }: Cluster): Promise<{ url: string; close(): void }> {
  const host = registry.split(':')[0];
  let number = 0;
  const server = createServer((_, response) => {
    number += 1;
    if (number > lines) return response.writeHead(404).end();
    const line = number;
    const answer = () => response.end(`line ${line} written ${Date.now()}\n`);
    return setTimeout(answer, shortestPauseMs + (line % pauses));
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Fills up while the lines arrive. */
function noteDelays(stream: NodeJS.ReadableStream): Delays {
  const delays = new Map<number, number>();
  let rest = '';
  stream.on('data', (part: Buffer) => {
    const arrivedAt = Date.now();
    const parts = `${rest}${part.toString()}`.split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) {
      const [, number, writtenAt] = /line (\d+) written (\d+)/.exec(text) ?? [];
      if (number !== undefined) delays.set(Number(number), arrivedAt - Number(writtenAt));
    }
  });
  return delays;
}
