import { driverConformance } from '../driver-conformance.ts';
import { pushOurImage } from '../../../../test/cluster/hephy-on-cluster.ts';
import { startCluster } from '../../../../test/cluster/start-cluster.ts';
import { makeKubernetesDriverParts } from './kubernetes-driver-parts.ts';

driverConformance('kubernetes', async () => {
  const cluster = await startCluster({ arm64: false });
  const parts = await makeKubernetesDriverParts(cluster, await pushOurImage(cluster));
  return {
    ...parts,
    async close() {
      await parts.close();
      await cluster.stop();
    },
  };
});
