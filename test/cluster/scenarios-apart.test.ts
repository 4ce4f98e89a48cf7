/** What passes with builders on this machine passes with builders in a cluster: with roles and servers apart. */
import { redisAway } from '../scenarios/redis-away.ts';
import { separateRoles } from '../scenarios/separate-roles.ts';
import { clusterGround } from './scenario-ground.ts';

const ground = clusterGround();
separateRoles(ground);
redisAway(ground);
