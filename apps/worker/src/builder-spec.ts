import { builderName, type BuildRecord, type PlatformBuild } from '@hephy/core';
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
    labels: image.labels,
    destination: `${image.repository}:${name}`,
    noCache: build.plan.noCache,
    timeLimitMs: build.plan.timeLimitSeconds * 1000,
  };
}
