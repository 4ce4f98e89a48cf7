/** What passes with builders on this machine passes with builders in a cluster: with one process for all roles. */
import { buildOptions } from '../scenarios/build-options.ts';
import { useService } from '../scenarios/ground.ts';
import { leaving, oneAtATime } from '../scenarios/leaving.ts';
import { pushes } from '../scenarios/pushes.ts';
import { refusals } from '../scenarios/refusals.ts';
import { registryFaults } from '../scenarios/registry-faults.ts';
import { restarts } from '../scenarios/restarts.ts';
import { whileBuilding } from '../scenarios/while-building.ts';
import { clusterGround } from './scenario-ground.ts';

const open = useService(clusterGround(), () => oneAtATime);
for (const scenarios of [
  pushes,
  refusals,
  whileBuilding,
  leaving,
  registryFaults,
  buildOptions,
  restarts,
]) {
  scenarios(open);
}
