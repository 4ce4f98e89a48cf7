/** `npm run bench [name …] [-- --markdown]`: measures, prints one table, and writes nothing into the repository. */
import { cpus, loadavg } from 'node:os';
import type { Figure } from './figure.ts';
import { cancel } from './figures/cancel.ts';
import { contextMemory } from './figures/context-memory.ts';
import { hundredPushes } from './figures/hundred-pushes.ts';
import { indexPublication } from './figures/index-publication.ts';
import { kubeCancel } from './figures/kube-cancel.ts';
import { kubeLogLatency } from './figures/kube-log-latency.ts';
import { kubeLogLines, kubeLogThroughput } from './figures/kube-log-throughput.ts';
import { kubeMemory } from './figures/kube-memory.ts';
import { kubeQueue } from './figures/kube-queue.ts';
import { kubeTimeToStart } from './figures/kube-time-to-start.ts';
import { kubeTwoPlatforms } from './figures/kube-two-platforms.ts';
import { startUp } from './figures/start-up.ts';
import { timeToStart } from './figures/time-to-start.ts';
import { twoPlatforms } from './figures/two-platforms.ts';
import { unchangedPush } from './figures/unchanged-push.ts';
import { markdownTable, plainTable, type Measured } from './table.ts';

const figures: readonly Figure[] = [
  indexPublication,
  timeToStart,
  twoPlatforms,
  unchangedPush,
  hundredPushes,
  contextMemory,
  cancel,
  startUp,
  kubeTimeToStart,
  kubeTwoPlatforms,
  kubeCancel,
  kubeLogLatency,
  kubeLogThroughput,
  kubeLogLines,
  kubeMemory,
  kubeQueue,
];

const words = process.argv.slice(2);
const names = words.filter((word) => !word.startsWith('--'));
const unknown = names.find((name) => !figures.some((figure) => figure.name === name));
if (unknown !== undefined) {
  console.error(
    `bench: no figure ${unknown}; there are ${figures.map(({ name }) => name).join(', ')}`,
  );
  process.exit(1);
}

const chosen = figures.filter(({ name }) => names.length === 0 || names.includes(name));
const measured: Measured[] = [];
for (const figure of chosen) {
  const missing = figure.needs?.() ?? [];
  if (missing.length > 0) {
    console.error(`bench: ${figure.name} is left out: ${missing.join('; ')}`);
    continue;
  }
  console.error(`bench: ${figure.name} (load ${loadavg()[0]?.toFixed(1)}) …`);
  try {
    const row = await figure.measure();
    console.error(`bench: ${figure.name}: ${row.measured}, beside ${row.floor}`);
    measured.push({ figure, row });
  } catch (error) {
    console.error(`bench: ${figure.name} could not be measured:`, error);
    process.exitCode = 1;
  }
}
const markdown = {
  date: new Date().toISOString().slice(0, 10),
  machine: `${cpus().length} cores, Node ${process.versions.node}`,
  command: ['npm run bench', ...names].join(' '),
};
console.log(
  words.includes('--markdown') ? markdownTable(measured, markdown) : plainTable(measured),
);
