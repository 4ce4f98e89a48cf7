import { thisMachine } from './ground.ts';
import { separateRoles } from './separate-roles.ts';

separateRoles(() => thisMachine);
