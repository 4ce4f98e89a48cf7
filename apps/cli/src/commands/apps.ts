import { z } from 'zod';
import type { ApiClient } from '../client/api-client.ts';
import { UserError, type Server } from '../client/contexts.ts';
import { addRemote, isRepository } from '../client/repository.ts';
import { table } from '../table.ts';

const Settings = z.looseObject({
  deployBranch: z.string().nullable(),
  platforms: z.array(z.string()),
  requireNativeNodes: z.boolean(),
  hookUrl: z.string().nullable(),
});
const AppView = z.looseObject({ name: z.string(), settings: Settings });
const AppPage = z.object({ apps: z.array(AppView) });
const HookSecret = z.object({ secret: z.string() });

interface Output {
  readonly print: (line: string) => void;
}

export async function listApps(api: ApiClient, { print }: Output): Promise<void> {
  const { apps } = await api.call(AppPage, 'GET', { path: '/v1/apps' });
  if (apps.length === 0) return print('No apps yet. Make one: hephy apps create NAME');
  const rows = apps.map(({ name, settings }) => [
    name,
    settings.deployBranch ?? '(first push)',
    settings.platforms.join(', '),
  ]);
  for (const line of table(['APP', 'BRANCH', 'PLATFORMS'], rows)) print(line);
}

export interface CreateAppInput {
  readonly name: string;
  readonly platforms: readonly string[] | undefined;
  readonly requireNativeNodes: boolean;
  readonly hookUrl: string | undefined;
  readonly directory: string;
  readonly program: string;
  readonly server: Server;
}

/** Creates the app; inside a repository, adds the remote `deis` and the credential helper for it. */
export async function createApp(
  input: CreateAppInput,
  { api, print }: Output & { api: ApiClient },
): Promise<void> {
  const { name, platforms, requireNativeNodes, hookUrl } = input;
  const app = await api.call(AppView, 'POST', {
    path: '/v1/apps',
    body: {
      name,
      settings: {
        ...(platforms && { platforms }),
        ...(!requireNativeNodes && { requireNativeNodes }),
        ...(hookUrl && { hookUrl }),
      },
    },
  });
  print(`Created ${name} for ${app.settings.platforms.join(', ')}.`);
  if (hookUrl) {
    const { secret } = await api.call(HookSecret, 'POST', { path: `/v1/apps/${name}/hook-secret` });
    print(`Its release hook signs with ${secret} (shown once).`);
  }
  if (!(await isRepository(input.directory))) {
    print(`Inside its repository: hephy apps remote ${name}`);
    return;
  }
  await pointRemote(input, { print });
}

type RemoteInput = Pick<CreateAppInput, 'name' | 'directory' | 'program' | 'server'>;

/** Points the remote `deis` of the repository at an app that exists. */
export async function setRemote(
  input: RemoteInput,
  { api, print }: Output & { api: ApiClient },
): Promise<void> {
  if (!(await isRepository(input.directory))) {
    throw new UserError(`${input.directory} is in no git repository; go to yours, or git init`);
  }
  await api.call(AppView, 'GET', { path: `/v1/apps/${encodeURIComponent(input.name)}` });
  await pointRemote(input, { print });
}

async function pointRemote(input: RemoteInput, { print }: Output): Promise<void> {
  const { name: appName, server } = input;
  const url = await addRemote({ ...input, gitUrl: server.gitUrl, appName });
  print(`Added the remote deis: ${url}`);
  print('Now: git push deis main');
}

/** Changes settings, given as `key=value`; lists are separated by commas, `null` clears. */
export async function setApp(
  { name, changes }: { name: string; changes: readonly string[] },
  { api, print }: Output & { api: ApiClient },
): Promise<void> {
  const body = { settings: Object.fromEntries(changes.map(parseChange)) };
  const app = await api.call(AppView, 'PATCH', { path: `/v1/apps/${name}`, body });
  print(JSON.stringify(app.settings, null, 2));
}

function parseChange(change: string): [string, unknown] {
  const at = change.indexOf('=');
  if (at < 1) throw new UserError(`${change} is not key=value, such as timeLimitSeconds=600`);
  const key = change.slice(0, at);
  const value = change.slice(at + 1);
  if (key === 'platforms') return [key, value.split(',')];
  return [key, /^(?:true|false|null|\d+|\{.*\})$/s.test(value) ? parseJson(key, value) : value];
}

function parseJson(key: string, value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (cause) {
    throw new UserError(`${value} is not JSON; write it as ${key}='{"NAME":"value"}'`, { cause });
  }
}
