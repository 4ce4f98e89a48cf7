export type {
  BuilderResult,
  BuilderSpec,
  Driver,
  LogChunk,
  PreflightInput,
  PreflightResult,
} from './driver.ts';
export type { CommandsFor } from './commands.ts';
export { createLocalDriver, type LocalDriverOptions } from './local-driver.ts';
export { machinePlatformOf } from './preflight.ts';
export { findContainment, type Containment } from './containment.ts';
export { removeTree } from './remove-builder.ts';
export {
  createKubernetesDriver,
  type BuilderCredentials,
  type KubernetesDriverOptions,
} from './kubernetes/kubernetes-driver.ts';
export type { Isolation } from './kubernetes/pod-spec.ts';
export { createKubeClient, type KubeClient } from './kubernetes/kube-client.ts';
export { loadKubeConfig } from './kubernetes/kube-connection.ts';
export type { ContainerFor, ExplainLog } from './kubernetes/container.ts';
