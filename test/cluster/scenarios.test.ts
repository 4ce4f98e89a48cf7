/** What passes with builders on this machine passes with builders in a cluster. */
import { afterAll, beforeAll, describe } from 'vitest';
import { buildOptions } from '../scenarios/build-options.ts';
import { useService, type Ground } from '../scenarios/ground.ts';
import { leaving, oneAtATime } from '../scenarios/leaving.ts';
import { pushes } from '../scenarios/pushes.ts';
import { redisAway } from '../scenarios/redis-away.ts';
import { refusals } from '../scenarios/refusals.ts';
import { registryFaults } from '../scenarios/registry-faults.ts';
import { restarts } from '../scenarios/restarts.ts';
import { separateRoles } from '../scenarios/separate-roles.ts';
import { makeBuildsPlace, type BuildsPlace } from './hephy-on-cluster.ts';
import { objectsOf } from './pushes.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let place: BuildsPlace;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  place = await makeBuildsPlace(cluster);
});
afterAll(async () => {
  await place?.remove();
  await cluster?.stop();
});

const ground = (): Ground => ({
  address: cluster.registry.split(':')[0] ?? '',
  settings: place.settings,
  builders: () => objectsOf({ cluster, hephy: place }),
});

describe('with one service', () => {
  const open = useService(ground, () => oneAtATime);
  for (const scenarios of [pushes, refusals, leaving, registryFaults, buildOptions, restarts]) {
    scenarios(open);
  }
});
separateRoles(ground);
redisAway(ground);
