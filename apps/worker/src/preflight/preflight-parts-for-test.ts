/** A build of one image for the tests of preflights. Imported by tests alone. */
import type { Build, PlannedImage, SourceRef } from '@hephy/core';

const image: PlannedImage = {
  name: 'web',
  repository: 'registry.test/shop',
  platforms: ['linux/amd64', 'linux/arm64'],
  dependsOn: [],
  dockerfilePath: 'Dockerfile',
  contextPath: '.',
  target: null,
  buildArgs: {},
  labels: {},
  tags: ['latest'],
  index: true,
};

export function buildFor(
  planned: Partial<PlannedImage>,
  source: SourceRef = { sha256: '0'.repeat(64), sizeBytes: 1 },
): Pick<Build, 'plan' | 'source'> {
  const plan = {
    images: [{ ...image, ...planned }],
    requireNativeNodes: true,
    noCache: false,
    timeLimitSeconds: 60,
    hook: false,
  };
  return { plan, source };
}
