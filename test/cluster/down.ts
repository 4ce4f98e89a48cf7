// `node test/cluster/down.ts`: ends the tests' cluster, whoever uses it, and leaves nothing of it.
import { parseArgs } from 'node:util';
import { stopByHand } from './start-cluster.ts';

const { values } = parseArgs({ options: { number: { type: 'string' } } });
const startedAt = performance.now();
await stopByHand(values.number === undefined ? undefined : Number(values.number));
process.stdout.write(`down after ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
