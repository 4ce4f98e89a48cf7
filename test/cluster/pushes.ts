/** What tests of builds in the cluster do and look at: pushes, and what is left of them. */
import { expect } from 'vitest';
import { z } from 'zod';
import {
  runGitClient,
  startGitClient,
  type GitClientResult,
  type RunningGitClient,
  type WorkTree,
} from '../parts/git-client.ts';
import { until } from '../parts/until.ts';
import type { HephyOnCluster } from './hephy-on-cluster.ts';
import type { Cluster } from './start-cluster.ts';

const Objects = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()).default({}),
      }),
    }),
  ),
});

export function push({ path }: WorkTree): Promise<GitClientResult> {
  return runGitClient(['push', 'deis', 'main'], { cwd: path });
}

export function startPush({ path }: WorkTree): RunningGitClient {
  return startGitClient(['push', 'deis', 'main'], { cwd: path });
}

export interface Place {
  readonly cluster: Cluster;
  readonly hephy: HephyOnCluster;
}

/** An app for the amd64 node with one commit, whose Dockerfile begins at the cluster's base image. */
export async function makeApp(
  { hephy }: Place,
  name: string,
  steps: readonly string[],
): Promise<WorkTree> {
  const tree = await hephy.createApp(name, { platforms: ['linux/amd64'] });
  await tree.commit({ Dockerfile: `${[`FROM ${hephy.registry}/base:1`, ...steps].join('\n')}\n` });
  return tree;
}

/** KubeJobs, pods and Secrets of builders that are there now: of one app, or of all. */
export async function objectsOf(
  { cluster, hephy: { namespace } }: { cluster: Cluster; hephy: { namespace: string } },
  app?: string,
): Promise<string[]> {
  const lists = ['/apis/batch/v1/*/jobs', '/api/v1/*/pods', '/api/v1/*/secrets'];
  const label = `hephy-builder/app${app === undefined ? '' : `=${app}`}`;
  const selector = `labelSelector=${encodeURIComponent(label)}`;
  const found = await Promise.all(
    lists.map(async (list) => {
      const path = list.replace('*', `namespaces/${namespace}`);
      const { items } = Objects.parse(await cluster.api.get(`${path}?${selector}`));
      return items.map(({ metadata }) => `${path.split('/').at(-1)}/${metadata.name}`);
    }),
  );
  return found.flat();
}

export function untilNothingIsLeft(place: Place, app: string): Promise<unknown> {
  return until(
    `no object of ${app}`,
    async () => (await objectsOf(place, app)).length === 0,
    120_000,
  );
}

/** Each of the lines is once in the log of the app's build, as a step has printed it. */
export async function expectLinesOnce(
  { hephy }: Place,
  { app, number = 1, lines }: { app: string; number?: number; lines: readonly string[] },
): Promise<void> {
  const log = (await hephy.log(app, number)).split('\n').map((line) => line.trim());
  const counts = lines.map((line) => log.filter((one) => one === `[amd64] ${line}`).length);
  expect(Object.fromEntries(lines.map((line, at) => [line, counts[at]]))).toEqual(
    Object.fromEntries(lines.map((line) => [line, 1])),
  );
}
