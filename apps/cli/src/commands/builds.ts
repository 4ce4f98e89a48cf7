import { z } from 'zod';
import { formatDuration } from '@hephy/core';
import type { ApiClient } from '../client/api-client.ts';
import { UserError } from '../client/contexts.ts';
import { table } from '../table.ts';

const BuildView = z.looseObject({
  id: z.string(),
  app: z.string(),
  number: z.number(),
  state: z.string(),
  sha: z.string(),
  ref: z.string(),
  pushedBy: z.string(),
  createdAt: z.string(),
  durationMs: z.number().nullable(),
  failure: z.looseObject({ sentence: z.string() }).nullable(),
});
type BuildView = z.infer<typeof BuildView>;
const Rebuilt = z.object({ number: z.number() });
const BuildPage = z.object({ builds: z.array(BuildView) });

interface Deps {
  readonly api: ApiClient;
  readonly print: (line: string) => void;
}

export async function listBuilds(app: string, { api, print }: Deps): Promise<void> {
  const { builds } = await api.call(BuildPage, 'GET', { path: `/v1/apps/${app}/builds?limit=20` });
  if (builds.length === 0) return print(`${app} has no builds yet. Make one: git push deis main`);
  const rows = builds.map((build) => [
    String(build.number),
    build.state,
    build.sha.slice(0, 8),
    build.durationMs === null ? '' : formatDuration(build.durationMs),
    build.pushedBy,
    build.createdAt.slice(0, 16).replace('T', ' '),
    build.failure?.sentence ?? '',
  ]);
  const head = ['BUILD', 'STATE', 'COMMIT', 'TOOK', 'BY', 'AT (UTC)', ''];
  for (const line of table(head, rows)) print(line.trimEnd());
}

/** The build that a command means: the one with the number, or the app's newest. */
export async function findBuild(
  { app, number }: { app: string; number: string | undefined },
  api: ApiClient,
): Promise<BuildView> {
  if (number !== undefined) {
    if (!/^[1-9]\d{0,9}$/.test(number)) throw new UserError(`${number} is not a build number`);
    return api.call(BuildView, 'GET', { path: `/v1/apps/${app}/builds/${number}` });
  }
  const { builds } = await api.call(BuildPage, 'GET', { path: `/v1/apps/${app}/builds?limit=1` });
  const [newest] = builds;
  if (!newest) throw new UserError(`${app} has no builds yet. Make one: git push deis main`);
  return newest;
}

/** Prints what the push printed; with `follow`, until the build has ended. Answers false if it ended without success. */
export async function printLog(
  { app, number, follow }: { app: string; number: string | undefined; follow: boolean },
  { api, write }: { api: ApiClient; write: (chunk: Uint8Array) => void },
): Promise<boolean> {
  const { id } = await findBuild({ app, number }, api);
  const path = `/v1/builds/${id}/logs${follow ? '?follow=true' : ''}`;
  const response = await api.stream(path, { accept: 'text/plain' });
  try {
    for await (const chunk of response.body ?? []) write(chunk);
  } catch (cause) {
    throw new UserError('the server went away in the middle; try again once it is up', { cause });
  }
  const { state } = await api.call(BuildView, 'GET', { path: `/v1/builds/${id}` });
  return state !== 'failed' && state !== 'canceled' && state !== 'superseded';
}

export async function cancelBuild(
  { app, number }: { app: string; number: string | undefined },
  { api, print }: Deps,
): Promise<void> {
  const build = await findBuild({ app, number }, api);
  await api.call(z.unknown(), 'POST', { path: `/v1/builds/${build.id}/cancel`, body: {} });
  print(`Build ${build.number} of ${app} is being canceled.`);
}

/** Posts the release of an ended build to its hook again. */
export async function redeliver(
  { app, number }: { app: string; number: string | undefined },
  { api, print }: Deps,
): Promise<void> {
  const build = await findBuild({ app, number }, api);
  await api.call(z.unknown(), 'POST', { path: `/v1/builds/${build.id}/redeliver` });
  print(`The release of build ${build.number} of ${app} is being delivered again.`);
  print(`Watch it: hephy logs -f ${build.number} -a ${app}`);
}

export async function rebuild(
  { app, number }: { app: string; number: string | undefined },
  { api, print }: Deps,
): Promise<void> {
  const build = await findBuild({ app, number }, api);
  const made = await api.call(Rebuilt, 'POST', { path: `/v1/builds/${build.id}/rebuild` });
  print(`Build ${made.number} of ${app} builds ${build.sha.slice(0, 8)} again.`);
  print(`Watch it: hephy logs -f ${made.number} -a ${app}`);
}
