/** Where a builder may go when no node of its own architecture takes it, and how long it may wait for one. */
import type { BuilderSpec } from '../driver.ts';
import type { KubeJobFacts } from './pod-facts.ts';

const waitAnnotation = 'hephy-builder/wait-for-nodes-ms';

/** The parts of a KubeJob that are changed. */
interface Placed {
  readonly metadata: { readonly annotations: Record<string, string> };
  readonly spec: { readonly template: { readonly spec: { nodeSelector: Record<string, string> } } };
}

/** Of a KubeJob as it is made for nodes of its own architecture. */
export function placed(
  job: object,
  { isForeign, waitForNodesMs }: { isForeign: boolean } & Pick<BuilderSpec, 'waitForNodesMs'>,
): object {
  const changed = structuredClone(job) as Placed;
  if (isForeign) delete changed.spec.template.spec.nodeSelector['kubernetes.io/arch'];
  if (waitForNodesMs !== undefined) {
    changed.metadata.annotations[waitAnnotation] = String(waitForNodesMs);
  }
  return changed;
}

/** Undefined: as long as the driver waits by itself. */
export function nodePatienceMs(job: KubeJobFacts | undefined): number | undefined {
  const written = job?.metadata.annotations?.[waitAnnotation];
  return written === undefined ? undefined : Number(written);
}
