/** A real cluster for a figure. */
import {
  startCluster,
  type Cluster,
  type ClusterOptions,
} from '../../test/cluster/start-cluster.ts';

/** Not the one that tests share: the figures fill it. */
const ownCluster = 107;

/** One of the figure's own, for as long as the work takes. */
export async function withOwnCluster<T>(
  work: (cluster: Cluster) => Promise<T>,
  options: Partial<Pick<ClusterOptions, 'arm64' | 'kubelet'>> = {},
): Promise<T> {
  const cluster = await startCluster({ arm64: false, number: ownCluster, ...options });
  try {
    return await work(cluster);
  } finally {
    await cluster.stop();
  }
}
