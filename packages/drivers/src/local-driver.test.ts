import { driverConformance } from './driver-conformance.ts';
import { makeLocalDriverParts } from './local-driver-parts.ts';

driverConformance('local', makeLocalDriverParts);
