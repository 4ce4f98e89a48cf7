import { thisMachine, useService } from './ground.ts';
import { releaseHook } from './release-hook.ts';

releaseHook(useService(() => thisMachine));
