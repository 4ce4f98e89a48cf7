/**
 * What passes with builders on this machine passes with builders in a cluster: with roles and servers apart, and with one
 * process for all roles that builds several apps at once.
 */
import { describe } from 'vitest';
import { commandLine } from '../scenarios/command-line.ts';
import { useService } from '../scenarios/ground.ts';
import { kindsOfPush } from '../scenarios/kinds-of-push.ts';
import { redisAway } from '../scenarios/redis-away.ts';
import { redisLost } from '../scenarios/redis-lost.ts';
import { releaseHook } from '../scenarios/release-hook.ts';
import { separateRoles } from '../scenarios/separate-roles.ts';
import { clusterGround } from './scenario-ground.ts';

const ground = clusterGround();
const open = useService(clusterGround());

separateRoles(ground);
describe.concurrent('what waits half a minute', () => {
  redisAway(ground);
  releaseHook(open);
});
for (const scenarios of [kindsOfPush, commandLine, redisLost]) scenarios(open);
