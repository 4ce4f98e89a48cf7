import { thisMachine, useService } from './ground.ts';
import { kindsOfPush } from './kinds-of-push.ts';
import { pushes } from './pushes.ts';

const open = useService(() => thisMachine);

pushes(open);
kindsOfPush(open);
