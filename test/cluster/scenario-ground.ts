/** The cluster as the place of scenarios that this machine is otherwise. */
import { afterAll, beforeAll } from 'vitest';
import type { Ground } from '../scenarios/ground.ts';
import { makeBuildsPlace, type BuildsPlace } from './hephy-on-cluster.ts';
import { objectsOf } from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

/** Where no node of another architecture comes and goes with other tests: on one machine there is none either. */
const number = 96;

/** For all tests of the file that calls it. */
export function clusterGround(): () => Ground {
  let cluster: Cluster;
  let place: BuildsPlace;
  beforeAll(async () => {
    cluster = await startCluster({ arm64: false, number });
    place = await makeBuildsPlace(cluster);
  });
  afterAll(async () => {
    await place?.remove();
    await cluster?.stop();
  });
  return () => {
    // Each service has a registry of its own, which a scenario may break.
    const { HEPHY_REGISTRY: shared = '', ...settings } = place.settings;
    const [address = ''] = shared.split(':');
    return { address, settings, builders: () => objectsOf({ cluster, hephy: place }) };
  };
}
