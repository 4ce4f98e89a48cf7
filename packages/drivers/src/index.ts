export type {
  BuilderResult,
  BuilderSpec,
  Driver,
  LogChunk,
  PreflightInput,
  PreflightResult,
} from './driver.ts';
export type { BuilderCommand, CommandInput, CommandsFor } from './commands.ts';
export { createLocalDriver, type LocalDriverOptions } from './local-driver.ts';
export { machinePlatformOf } from './preflight.ts';
export { findContainment, type Containment } from './containment.ts';
export { removeTree } from './remove-builder.ts';
