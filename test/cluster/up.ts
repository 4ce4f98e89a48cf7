// `node test/cluster/up.ts [--arm64] [--services] [--number=90]`: brings the tests' cluster up, to work with by hand, and says where it is.
import { parseArgs } from 'node:util';
import { startCluster } from './start-cluster.ts';

const { values } = parseArgs({
  options: {
    arm64: { type: 'boolean', default: false },
    services: { type: 'boolean', default: false },
    number: { type: 'string' },
  },
});
const startedAt = performance.now();
const say = (line: string) => process.stdout.write(`${line}\n`);
const { kubeconfig, registry, images, nodes, api } = await startCluster({
  arm64: values.arm64,
  services: values.services,
  ...(values.number !== undefined && { number: Number(values.number) }),
  byHand: true,
  log: say,
});
api.close();
say(`up after ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${nodes.join(', ')}`);
say(`export KUBECONFIG=${kubeconfig}`);
say(`registry ${registry}, images ${Object.values(images).join(', ')}`);
