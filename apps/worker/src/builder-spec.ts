import {
  builderName,
  type Build,
  type BuildPlan,
  type BuildRecord,
  type Failure,
  type PlannedImage,
  type PlatformBuild,
} from '@hephy/core';
import type { BuilderSpec } from '@hephy/drivers';

/** What a driver needs to know of one attempt of a platform build. */
export function builderSpec(record: BuildRecord, work: PlatformBuild): BuilderSpec {
  const { build } = record;
  const image = build.plan.images.find(({ name }) => name === work.image);
  if (!image) throw new Error(`build ${build.id} has no image ${work.image} in its plan`);
  const name = builderName(work, work.attempt);
  return {
    name,
    buildId: build.id,
    appName: build.appName,
    platform: work.platform,
    source: build.source,
    dockerfilePath: image.dockerfilePath,
    contextPath: image.contextPath,
    target: image.target,
    buildArgs: image.buildArgs,
    labels: labelsOf(build, image),
    ...(image.options && { options: image.options }),
    destination: `${image.repository}:${name}`,
    noCache: build.plan.noCache,
    timeLimitMs: build.plan.timeLimitSeconds * 1000,
    ...nodesFor(build.plan),
    ...learntFrom(work.pastFailures),
  };
}

/** What another attempt does otherwise than those that failed. */
function learntFrom(
  past: readonly Failure[],
): Pick<BuilderSpec, 'http1' | 'moreMemory' | 'avoidNodes'> {
  const had = (reason: Failure['reason']): boolean => past.some((each) => each.reason === reason);
  const nodes = past.flatMap(({ node }) => (node === undefined ? [] : [node]));
  return {
    ...(had('Http2Failed') && { http1: true }),
    ...(had('OutOfMemory') && { moreMemory: true }),
    ...(nodes.length > 0 && { avoidNodes: [...new Set(nodes)] }),
  };
}

/** Who waits for a node waits for a native one. */
function nodesFor(plan: BuildPlan): Pick<BuilderSpec, 'anyNode' | 'waitForNodesMs'> {
  const { requireNativeNodes, waitForNodesSeconds } = plan;
  if (waitForNodesSeconds !== undefined) return { waitForNodesMs: waitForNodesSeconds * 1000 };
  return requireNativeNodes ? {} : { anyNode: true };
}

/** The app's own win over ours, but what tells which build an image is of is nobody's to set. Source: OCI annotations. */
function labelsOf({ id, appName, createdAt }: Build, image: PlannedImage): Record<string, string> {
  return {
    'org.opencontainers.image.title': appName,
    'org.opencontainers.image.created': createdAt.toISOString(),
    ...image.labels,
    'hephy-builder.build-id': id,
  };
}
