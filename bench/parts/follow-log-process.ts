/**
 * A process that does nothing but follow a builder's log, as the worker does: `follow-log-process.ts KUBECONFIG NAMESPACE
 * BUILDER BYTES`. It says when it is ready, waits for a word, and says how much it read in which time, and the most that it
 * had held when it had read so many bytes.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { readableKanikoLog } from '@hephy/backends';
import { createKubeClient, createKubernetesDriver, loadKubeConfig } from '@hephy/drivers';
import { readMemory } from './memory.ts';

const [kubeconfig, namespace = '', builder = '', earlyBytes] = process.argv.slice(2);
const notHere = (): never => {
  throw new Error('this process starts nothing');
};
const driver = createKubernetesDriver({
  client: createKubeClient({
    kubeConfig: await loadKubeConfig(kubeconfig),
    namespace,
    now: () => new Date(),
    random: Math.random,
    wait: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
  }),
  containerFor: notHere,
  platformRefusal: () => undefined,
  explainLog: () => undefined,
  readableLog: readableKanikoLog,
  job: notHere as never,
  credentials: notHere,
  grantSource: notHere,
  onError: (error) => console.error(error),
});
process.once('disconnect', () => process.exit());
await driver.list();
process.send?.('ready');
await once(process, 'message');
let firstAt: number | undefined;
let bytes = 0;
let earlyPeakBytes = NaN;
const { signal } = new AbortController();
for await (const { text } of driver.followLog(builder, { fromOffset: 0, signal })) {
  firstAt ??= performance.now();
  bytes += Buffer.byteLength(text);
  if (Number.isNaN(earlyPeakBytes) && bytes >= Number(earlyBytes)) {
    earlyPeakBytes = (await readMemory(process.pid)).peakBytes;
  }
}
process.send?.({ bytes, readMs: performance.now() - (firstAt ?? NaN), earlyPeakBytes });
// Stays as it is, to be looked at, until whoever started it is done.
