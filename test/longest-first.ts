/** In which order the files of tests begin: those that take minutes first, or the last of them runs alone at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const longest = [
  'image/dockerfile',
  'simulator/simulator',
  // Those that mostly wait, beside those that keep both cores busy.
  'cluster/faults-outage',
  'cluster/scale',
  'cluster/chart-install',
  'cluster/scenarios',
  'kubernetes/hostile.cluster',
  'cluster/scenarios-apart',
  'cluster/faults-refused',
  'cluster/faults-api-server',
  // An emulated machine is a fifth of a core's work while it does nothing: those that need one come late, and together.
  'cluster/cluster',
  'cluster/push',
  'cluster/preflight',
  'cluster/faults-killed',
  'kubernetes/kubernetes-driver.cluster',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return place < 0 ? longest.length : place;
}
