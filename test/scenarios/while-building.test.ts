import { thisMachine, useService } from './ground.ts';
import { whileBuilding } from './while-building.ts';

whileBuilding(useService(() => thisMachine));
