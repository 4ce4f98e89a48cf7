/** A build of two platforms and its work, as tests need them. Imported by tests alone. */
import {
  platformWorkName,
  type Build,
  type BuildRecord,
  type Delivery,
  type PlatformBuild,
  type Preflight,
  type Publication,
  type Work,
} from './build.ts';
import type { PlannedImage } from './build-plan.ts';

/** A moment, in milliseconds after the beginning of the test's time. */
export function at(ms: number): Date {
  return new Date(Date.UTC(2026, 0, 1) + ms);
}

export function image(differences: Partial<PlannedImage> = {}): PlannedImage {
  return {
    name: 'web',
    repository: 'registry.test/shop',
    platforms: ['linux/amd64', 'linux/arm64'],
    dependsOn: [],
    dockerfilePath: 'Dockerfile',
    contextPath: '.',
    target: null,
    buildArgs: {},
    labels: {},
    tags: ['git-11111111', 'latest'],
    index: true,
    ...differences,
  };
}

export function build(differences: Partial<Build> = {}): Build {
  return {
    id: 'b1',
    appId: 'a1',
    appName: 'shop',
    number: 42,
    sha: '1'.repeat(40),
    ref: 'refs/heads/main',
    pushedBy: 'anna',
    source: { sha256: '0'.repeat(64), sizeBytes: 10_240 },
    plan: {
      images: [image()],
      requireNativeNodes: true,
      noCache: false,
      timeLimitSeconds: 60,
      hook: true,
    },
    state: 'building',
    failure: null,
    cancelRequest: null,
    createdAt: at(0),
    startedAt: null,
    finishedAt: null,
    deadlineAt: at(3_600_000),
    version: 7,
    ...differences,
  };
}

export function recordOf(
  differences: Partial<Build>,
  work: readonly Work[] = [],
  release: BuildRecord['release'] = null,
): BuildRecord {
  return { build: build(differences), work, release };
}

const life = {
  buildId: 'b1',
  state: 'pending',
  attempt: 1,
  notBefore: null,
  leaseUntil: null,
  startedAt: null,
  finishedAt: null,
  failure: null,
  pastFailures: [],
  result: null,
} as const;

export function preflight(differences: Partial<Preflight> = {}): Preflight {
  return { ...life, kind: 'preflight', name: 'preflight', ...differences };
}

export function platformBuild(
  platform: string,
  differences: Partial<PlatformBuild> = {},
): PlatformBuild {
  const { image: imageName = 'web' } = differences;
  return {
    ...life,
    kind: 'platform',
    name: platformWorkName(imageName, platform),
    image: imageName,
    platform,
    ...differences,
  };
}

export function publication(differences: Partial<Publication> = {}): Publication {
  return { ...life, kind: 'publication', name: 'web', image: 'web', ...differences };
}

export function delivery(differences: Partial<Delivery> = {}): Delivery {
  return { ...life, kind: 'delivery', name: 'webhook', deliveryId: 'd1', ...differences };
}
