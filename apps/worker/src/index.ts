export { createWorker, type WorkerDeps } from './create-worker.ts';
export { runPlatformBuild, type PlatformBuildDeps } from './run-platform-build.ts';
export { runPreflight, type PreflightDeps } from './run-preflight.ts';
export type { PreflightCheck } from './preflight/preflight-check.ts';
export { createBaseImageCheck, type BaseImageDeps } from './preflight/check-base-images.ts';
export {
  createAskRegistries,
  type AskRegistries,
  type RegistriesDeps,
} from './preflight/ask-registries.ts';
export { createPushRightCheck } from './preflight/check-push-right.ts';
export { reconcile } from './reconcile.ts';
export { sweepBuilders } from './sweep-builders.ts';
export { builderSpec } from './builder-spec.ts';
