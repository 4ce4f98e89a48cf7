/** The service as processes of their own on real servers, for one test file: what a cluster runs, on one machine. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pushBusybox } from './busybox.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { createWorkTree, type WorkTree } from './git-client.ts';
import { createApi } from './hephy.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { startRegistry } from './registry.ts';
import { killProcessesWith, startServiceProcess, type ServiceProcess } from './service-process.ts';

export type Role = 'receiver' | 'worker' | 'publisher' | 'api';

export interface RolesOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether each role has data of its own, as on machines that share no volume. */
  readonly apart?: boolean;
  /** Of this machine, where builders reach the registry. */
  readonly address?: string;
}

export async function startRoles(roles: readonly Role[], options: RolesOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'hs-'));
  const [postgres, redis, registry] = await Promise.all([
    startPostgres(),
    startRedis({ tcp: true }),
    startRegistry(),
  ]);
  const proxy = await startFaultProxy({
    upstream: registry.host,
    ...(options.address && { address: options.address }),
  });
  const dataOf = (role: Role): string => join(folder, options.apart ? `data-${role}` : 'data');
  const logFile = join(folder, 'service.log');
  const environment: Record<string, string> = {
    HOME: folder,
    HEPHY_DATABASE_URL: await postgres.createDatabase(),
    HEPHY_REDIS_URL: redis.url,
    HEPHY_HOOK_ALLOW: '127.0.0.1',
    HEPHY_LISTEN_GIT: '127.0.0.1:0',
    HEPHY_LISTEN_API: '127.0.0.1:0',
    HEPHY_REGISTRY: proxy.host,
    HEPHY_REGISTRY_PLAIN_HTTP: 'true',
    ...options.environment,
  };
  const running: { role: Role; process: ServiceProcess }[] = [];
  const start = async (role: Role): Promise<string> => {
    const ready = role === 'receiver' || role === 'api' ? 'listens on' : 'is at work';
    const process = await startServiceProcess({
      args: [role],
      environment: { ...environment, HEPHY_DATA: dataOf(role) },
      logFile,
      ready,
    });
    running.push({ role, process });
    return /listens on (\S+)/.exec(process.stdout())?.[1] ?? '';
  };
  const close = async (): Promise<void> => {
    await Promise.all(running.map(({ process }) => process.end('SIGKILL')));
    await killProcessesWith(folder);
    await Promise.all([postgres.stop(), redis.stop(), registry.stop(), proxy.stop()]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const started = await Promise.allSettled(roles.map(start));
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') {
    await close();
    throw failed.reason;
  }
  const addresses = started.map((each) => (each.status === 'fulfilled' ? each.value : ''));
  const gitUrl = addresses[roles.indexOf('receiver')] ?? '';
  const apiUrl = addresses[roles.indexOf('api')] ?? '';
  // The same addresses at each later start.
  environment['HEPHY_LISTEN_GIT'] = new URL(gitUrl).host;
  environment['HEPHY_LISTEN_API'] = new URL(apiUrl).host;
  const token = (await readFile(join(dataOf('api'), 'operator-token'), 'utf8')).trim();
  const credentials = join(folder, 'git-credentials');
  await writeFile(credentials, `${gitUrl.replace('://', `://operator:${token}@`)}\n`);
  const api = createApi({ apiUrl, token });

  return {
    ...api,
    folder,
    logFile,
    postgres,
    redis,
    proxy,
    start,
    registry: proxy.host,
    gitUrl,
    dataOf,
    databaseUrl: environment['HEPHY_DATABASE_URL'] ?? '',
    pids: (role: Role): number[] =>
      running.filter((each) => each.role === role).map(({ process }) => process.pid),
    /** Ends all processes of the role. Answers their exit codes. */
    async end(role: Role, signal: NodeJS.Signals): Promise<(number | null)[]> {
      const ending = running.filter((each) => each.role === role);
      for (const each of ending) running.splice(running.indexOf(each), 1);
      return Promise.all(ending.map(({ process }) => process.end(signal)));
    },
    /** Puts a base image with a shell into the registry, and answers its name. */
    baseImage: async () => `${proxy.host}/${await pushBusybox(registry.host, folder)}`,
    async createApp(name: string, settings: object = {}): Promise<WorkTree> {
      const made = await api.call('POST', '/v1/apps', { name, settings });
      if (made.status !== 201) throw new Error(JSON.stringify(made));
      const tree = await createWorkTree(join(folder, 'repositories', name));
      await tree.git('remote', 'add', 'deis', `${gitUrl}/${name}.git`);
      await tree.git('config', 'credential.helper', `store --file=${credentials}`);
      return tree;
    },
    close,
  };
}
