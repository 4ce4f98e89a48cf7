/** What a seed stands for: an app, its pushes, who cancels when, how many processes there are, and how bad the day is. */
import type { Build, BuildPlan, PlannedImage } from '@hephy/core';
import type { Random } from './random.ts';
import type { FaultRates } from './world.ts';

export interface Scenario {
  readonly builds: readonly ScenarioBuild[];
  /** The receiver's rule. Off in half of the scenarios: no safety may rest on it. */
  readonly oneBuildAtATime: boolean;
  readonly workers: number;
  readonly publishers: number;
  readonly oneOfEachId: boolean;
  readonly wipesAtMs: readonly number[];
  /** Steps of other apps' builds, before ours in the line. */
  readonly othersInLine: number;
  readonly faults: FaultRates;
}

export interface ScenarioBuild {
  readonly number: number;
  readonly plan: BuildPlan;
  /** After the build before it has ended; or has begun. */
  readonly afterMs: number;
  readonly cancelAfterMs: number | undefined;
  /** Whether its deadline is close, so that it may be missed. */
  readonly isShort: boolean;
}

export function makeScenario(random: Random): Scenario {
  // Some are all about publishers that get in each other's way, where the rarest mistakes hide.
  const crowded = random.chance(0.15);
  const faults = { ...makeFaults(random), ...(crowded && crowd) };
  const platforms = random.pick([
    ['linux/amd64'],
    ['linux/amd64', 'linux/arm64'],
    ['linux/amd64', 'linux/arm64'],
    ['linux/amd64', 'linux/arm64', 'linux/arm/v7'],
  ]);
  const images = random.chance(0.15) ? ['base', 'web'] : ['web'];
  const index = platforms.length > 1 || random.chance(0.3);
  const movingTag = random.chance(0.9);
  const sameCommit = random.chance(0.3);
  const builds: ScenarioBuild[] = [];
  const count = crowded ? 3 : random.pick([1, 1, 2, 2, 3]);
  for (let number = 1; number <= count; number += 1) {
    const tags = [`git-${sameCommit ? 1 : number}`, ...(movingTag ? ['latest'] : [])];
    const plan: BuildPlan = {
      images: images.map((name) => planImage(name, { platforms, index, tags })),
      requireNativeNodes: true,
      noCache: false,
      timeLimitSeconds: 30,
      hook: random.chance(0.7),
    };
    builds.push({
      number,
      plan,
      afterMs: random.between(0, crowded ? 500 : 5_000),
      cancelAfterMs: random.chance(0.15) ? random.between(0, 15_000) : undefined,
      isShort: random.chance(0.05),
    });
  }
  return {
    builds,
    oneBuildAtATime: !crowded && random.chance(0.5),
    workers: random.whole(1, 3),
    publishers: crowded ? 3 : random.whole(1, 2),
    oneOfEachId: random.chance(0.5),
    wipesAtMs: random.chance(0.3) ? [random.between(0, 30_000), random.between(0, 60_000)] : [],
    othersInLine: random.chance(0.2) ? random.whole(600, 2_000) : 0,
    faults,
  };
}

function planImage(
  name: string,
  shape: { platforms: string[]; index: boolean; tags: string[] },
): PlannedImage {
  return {
    ...shape,
    name,
    repository: `registry.test/shop-${name}`,
    dependsOn: name === 'web' ? ['base'] : [],
    dockerfilePath: 'Dockerfile',
    contextPath: '.',
    target: null,
    buildArgs: {},
    labels: {},
  };
}

const crowd = { loss: 0, builder: 0, driver: 0, kill: 0, pause: 0.005, registry: 0.25 };

/** Each kind of fault is off in half of the scenarios: bugs that need quiet show too. */
function makeFaults(random: Random): FaultRates {
  const rate = (...rates: [number, ...number[]]): number =>
    random.chance(0.5) ? 0 : random.pick(rates);
  return {
    kill: rate(0.003, 0.01, 0.03),
    leave: rate(0.002, 0.005),
    pause: rate(0.003, 0.01, 0.03),
    record: rate(0.005, 0.03),
    loss: rate(0.02, 0.2, 0.6),
    double: rate(0.05, 0.5),
    late: rate(0.05, 0.3),
    registry: rate(0.03, 0.15),
    hook: rate(0.1, 0.5),
    driver: rate(0.02, 0.1),
    builder: rate(0.1, 0.3),
    calmAtMs: random.between(10_000, 90_000),
  };
}

const appName = 'shop';

export function buildOf({ number, plan, isShort }: ScenarioBuild, at: Date): Build {
  return {
    // As long as a ULID, which the worker's sweep looks for.
    id: `01K${String(number).padStart(23, '0')}`,
    appId: appName,
    appName,
    number,
    sha: '1'.repeat(40),
    ref: 'refs/heads/main',
    pushedBy: 'anna',
    source: { sha256: '0'.repeat(64), sizeBytes: 10_240 },
    plan,
    state: 'queued',
    failure: null,
    cancelRequest: null,
    createdAt: at,
    startedAt: null,
    finishedAt: null,
    deadlineAt: new Date(at.getTime() + (isShort ? 20_000 : 1_200_000)),
    version: 0,
  };
}
