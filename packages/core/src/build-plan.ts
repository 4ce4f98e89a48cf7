import { z } from 'zod';
import type { AppSettings } from './app.ts';
import { BuildOptions } from './build-options.ts';

/** One image to build: the same for each of its platforms. */
export const PlannedImage = z.object({
  /** Unique in the plan; part of names, so it keeps to an app name's letters. */
  name: z.string(),
  /** Where the image goes, without tag: `registry/repository`. */
  repository: z.string(),
  platforms: z.array(z.string()).min(1),
  /** Images of the plan that this one needs first, platform by platform. */
  dependsOn: z.array(z.string()),
  dockerfilePath: z.string(),
  contextPath: z.string(),
  target: z.string().nullable(),
  buildArgs: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
  /** Absent in plans that were made before there were any. */
  options: BuildOptions.optional(),
  /** All but the last are this commit's own; the last may be the app's moving tag. */
  tags: z.array(z.string()).min(1),
  /** False only for one platform: then the tag names a plain manifest. */
  index: z.boolean(),
});
export type PlannedImage = z.infer<typeof PlannedImage>;

export const BuildPlan = z.object({
  images: z.array(PlannedImage).min(1),
  requireNativeNodes: z.boolean(),
  /** Absent: a platform without a ready node is refused. */
  waitForNodesSeconds: z.number().int().optional(),
  noCache: z.boolean(),
  timeLimitSeconds: z.number().int(),
  /** Whether the app has a release hook; its address and secret are read when it is called. */
  hook: z.boolean(),
});
export type BuildPlan = z.infer<typeof BuildPlan>;

/** How an app's plan becomes tags and labels: `git-<sha8>` and the moving tag; the full commit is in a label (G-11). */
export function planBuild(input: {
  app: { readonly name: string; readonly settings: AppSettings };
  sha: string;
  /** `host:port` or `host/prefix`, from the service's configuration. */
  registry: string;
  noCache?: boolean;
}): BuildPlan {
  const { app, sha } = input;
  const { settings } = app;
  const image: PlannedImage = {
    name: 'web',
    repository: `${input.registry}/${app.name}`,
    platforms: settings.platforms,
    dependsOn: [],
    dockerfilePath: settings.dockerfilePath,
    contextPath: settings.contextPath,
    target: settings.target,
    buildArgs: settings.buildArgs,
    labels: { ...settings.labels, 'org.opencontainers.image.revision': sha },
    options: BuildOptions.parse(settings),
    tags: [`git-${sha.slice(0, 8)}`, ...(settings.movingTag ? [settings.movingTag] : [])],
    index: settings.platforms.length > 1 || settings.publishIndex,
  };
  return {
    images: [image],
    requireNativeNodes: settings.requireNativeNodes,
    ...(settings.waitForNodesSeconds > 0 && { waitForNodesSeconds: settings.waitForNodesSeconds }),
    noCache: input.noCache ?? false,
    timeLimitSeconds: settings.timeLimitSeconds,
    hook: settings.hookUrl !== null,
  };
}

/** Waiting for a worker counts too: a build that nobody takes ends this long after its own time limit. */
const waitingMs = 3600_000;

export function deadlineOf({ timeLimitSeconds }: BuildPlan, acceptedAt: Date): Date {
  return new Date(acceptedAt.getTime() + timeLimitSeconds * 1000 + waitingMs);
}
