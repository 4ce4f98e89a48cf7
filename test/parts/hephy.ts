/**
 * The whole service as a user starts it, for one test file: the real `bin/hephy up` on a data directory of its own, with
 * all its addresses free ones of this machine. `kill` and `start` leave the data and the addresses as they are.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { pushBusybox } from './busybox.ts';
import { createWorkTree, type WorkTree } from './git-client.ts';
import {
  logTail,
  killProcessesWith,
  processesWith,
  startServiceProcess,
  type MachineProcess,
  type ServiceProcess,
} from './service-process.ts';
import { until } from './until.ts';

export const BuildView = z.looseObject({
  id: z.string(),
  number: z.number(),
  state: z.string(),
  sha: z.string(),
  failure: z.looseObject({ reason: z.string(), sentence: z.string() }).nullable(),
});
export type BuildView = z.infer<typeof BuildView>;

const endStates = ['succeeded', 'failed', 'canceled', 'superseded'];

export interface HephyOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Parts of the data that are small disks of their own, such as `sources`, with their sizes in MiB. */
  readonly smallDisks?: Readonly<Record<string, number>>;
}

export type Hephy = Awaited<ReturnType<typeof startHephy>>;

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export async function startHephy(options: HephyOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'hs-'));
  const data = join(folder, 'data');
  const logFile = join(folder, 'service.log');
  const environment: Record<string, string> = {
    HOME: folder,
    XDG_CACHE_HOME: dirname(defaultCacheDir(process.env)),
    HEPHY_DATA: data,
    HEPHY_CONFIG: join(folder, 'config.json'),
    HEPHY_LISTEN_GIT: '127.0.0.1:0',
    HEPHY_LISTEN_API: '127.0.0.1:0',
    HEPHY_LISTEN_REGISTRY: '127.0.0.1:0',
    ...options.environment,
  };
  let running: ServiceProcess;
  const start = async (): Promise<void> => {
    const within = withinSmallDisks(data, options.smallDisks);
    running = await startServiceProcess({
      args: ['up'],
      environment,
      logFile,
      ready: 'Ctrl-C',
      within,
    });
  };
  await start().catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  const at = addressesIn(running!.stdout());
  // The same addresses at each later start: git remotes and image names hold them.
  environment['HEPHY_LISTEN_GIT'] = new URL(at.gitUrl).host;
  environment['HEPHY_LISTEN_API'] = new URL(at.apiUrl).host;
  if (!environment['HEPHY_REGISTRY']) environment['HEPHY_LISTEN_REGISTRY'] = at.registry;
  const token = (await readFile(join(data, 'operator-token'), 'utf8')).trim();
  const credentials = join(folder, 'git-credentials');
  const withUser = at.gitUrl.replace('://', `://operator:${token}@`);
  await writeFile(credentials, `${withUser}\n`, { mode: 0o600 });
  const api = createApi({ ...at, token });

  return {
    ...at,
    ...api,
    folder,
    data,
    logFile,
    token,
    environment,
    pid: () => running.pid,
    /** A path of the data as the service sees it, its small disks too. */
    inside: (part: string) => join(`/proc/${running.pid}/root`, data, part),
    start,
    /** Ends the service and nothing else: `SIGTERM` asks it to, and gives its exit code. */
    end: (signal: NodeJS.Signals) => running.end(signal),
    /** What it started and still runs: its servers, and builders. */
    children: (): Promise<MachineProcess[]> =>
      processesWith(folder).then((all) => all.filter(({ pid }) => pid !== running.pid)),
    /** Makes an app, and an empty repository whose remote `deis` it is. */
    async createApp(name: string, settings: object = {}): Promise<WorkTree> {
      const made = await api.call('POST', '/v1/apps', { name, settings });
      if (made.status !== 201) throw new Error(JSON.stringify(made));
      const tree = await createWorkTree(join(folder, 'repositories', name));
      await tree.git('remote', 'add', 'deis', `${at.gitUrl}/${name}.git`);
      await tree.git('config', 'credential.helper', `store --file=${credentials}`);
      return tree;
    },
    /** Puts a base image with a shell into the registry, and answers its name. */
    async baseImage(): Promise<string> {
      return `${at.registry}/${await pushBusybox(at.registry, folder)}`;
    },
    /** What the tag names in the registry, as text; undefined if there is no such tag. */
    async readTag(app: string, tag: string): Promise<string | undefined> {
      const answer = await fetch(`http://${at.registry}/v2/${app}/manifests/${tag}`, {
        headers: { accept: manifestTypes },
      });
      return answer.ok ? answer.text() : undefined;
    },
    async close(): Promise<void> {
      await Promise.race([running.end('SIGTERM'), delay(30_000, undefined, { ref: false })]);
      await running.end('SIGKILL');
      await killProcessesWith(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
].join(', ');

/** The disks are mounted where this one process and its children see them; they vanish with it. */
function withinSmallDisks(data: string, disks: Readonly<Record<string, number>> = {}): string[] {
  if (Object.keys(disks).length === 0) return [];
  const mounts = Object.entries(disks).map(([part, sizeMiB]) => {
    const place = join(data, part);
    return `mkdir -p ${place} && mount -t tmpfs -o size=${sizeMiB}m small ${place}`;
  });
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const script = [...mounts, 'exec "$@"'].join(' && ');
  return ['unshare', ...asRoot, '--mount', 'sh', '-c', script, 'sh'];
}

/** The addresses in the banner. */
function addressesIn(banner: string): { gitUrl: string; apiUrl: string; registry: string } {
  const find = (pattern: RegExp): string => {
    const found = pattern.exec(banner)?.[1];
    if (!found) throw new Error(`no ${pattern.source} in: ${banner}`);
    return found;
  };
  return {
    gitUrl: find(/git +(http\S+)\/<app>\.git/),
    apiUrl: find(/API +(http\S+)\/v1/),
    registry: find(/registry +(\S+)/),
  };
}

/** The REST API as a client without any library of ours sees it. */
export function createApi({ apiUrl, token }: { apiUrl: string; token: string }) {
  const call = async (method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const response = await fetch(apiUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  };
  const builds = async (app: string): Promise<BuildView[]> => {
    const { body } = await call('GET', `/v1/apps/${app}/builds`);
    return z.object({ builds: z.array(BuildView) }).parse(body).builds;
  };
  const inState = (app: string, number: number, states: readonly string[]): Promise<BuildView> =>
    until(`build ${number} of ${app} ${states.join(' or ')}`, async () =>
      (await builds(app)).find((build) => build.number === number && states.includes(build.state)),
    );
  return {
    call,
    /** Newest first. */
    builds,
    inState,
    /** Waits for the end of a build. */
    ended: (app: string, number: number) => inState(app, number, endStates),
    log: async (app: string, number: number): Promise<string> => {
      const build = (await builds(app)).find((each) => each.number === number);
      const { body } = await call('GET', `/v1/builds/${build?.id}/logs`);
      return z.string().parse(body);
    },
  };
}

/** Prints the end of the service's log beside a failing test. */
export function showLogOnFailure(hephy: () => { readonly logFile: string } | undefined): void {
  afterEach(async ({ task }) => {
    const logFile = hephy()?.logFile;
    if (task.result?.state === 'fail' && logFile) process.stderr.write(await logTail(logFile));
  });
}
