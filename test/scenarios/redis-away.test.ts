import { thisMachine } from './ground.ts';
import { redisAway } from './redis-away.ts';

redisAway(() => thisMachine);
