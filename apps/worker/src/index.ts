export { createWorker, type WorkerDeps } from './create-worker.ts';
export { runPlatformBuild, type PlatformBuildDeps } from './run-platform-build.ts';
export { runPreflight, type PreflightDeps } from './run-preflight.ts';
export { reconcile } from './reconcile.ts';
export { sweepBuilders } from './sweep-builders.ts';
export { builderSpec } from './builder-spec.ts';
