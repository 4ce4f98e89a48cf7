/** Deployments on a real repository and a real record, with the test in the place of workers and publishers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AppSettings, type App, type BuildChange } from '@hephy/core';
import { createRepositories, gitEnvironment, zeroSha } from '@hephy/git';
import { createDirectorySourceStore } from '@hephy/source';
import {
  createApps,
  createBuildQueries,
  createBuildRecords,
  createPushes,
  migrate,
  openDatabase,
  type OpenDatabase,
} from '@hephy/store';
import { createWorkTree, type WorkTree } from '../../../test/parts/git-client.ts';
import { createLine } from './await-turn.ts';
import type { DeployDeps } from './deploy.ts';
import { moveRefs } from './move-refs.ts';

export const ref = 'refs/heads/main';

export interface DeployGround {
  readonly app: App;
  readonly database: OpenDatabase;
  readonly work: WorkTree;
  readonly deps: DeployDeps;
  /** Commits these files, on top of what is there, and has the objects in the app's repository. */
  commit(files: Record<string, string>): Promise<string>;
  liveNumber(): Promise<number | undefined>;
  /** Writes what a publisher would have decided. */
  change(buildId: string, change: BuildChange): Promise<void>;
  close(): Promise<void>;
}

export async function openDeployGround(settings: Partial<AppSettings> = {}): Promise<DeployGround> {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-deploy-'));
  const database = await openDatabase({
    directory: undefined,
    cacheDirectory: join(tmpdir(), 'hephy-builder-tests'),
  });
  await migrate(database.db);
  const app = {
    id: 'A1',
    name: 'shop',
    settings: AppSettings.parse(settings),
    createdAt: new Date(),
  };
  await createApps(database.db).createApp(app);
  const work = await createWorkTree(join(folder, 'work'));
  const deps = makeDeps(folder, database);
  const limits = { deployRefs: [], maxInputBytes: 1e6 };
  const repositoryPath = await deps.repositories.ensure(app.id, limits);
  return {
    app,
    database,
    work,
    deps,
    async commit(files) {
      const sha = await work.commit(files);
      await work.git('push', '--quiet', repositoryPath, `HEAD:refs/heads/kept-${sha}`);
      return sha;
    },
    liveNumber: async () => (await deps.findLiveBuild(app.id))?.number,
    async change(buildId, change) {
      const records = createBuildRecords(database.db);
      const version = (await records.readBuild(buildId))?.build.version ?? 0;
      const { newId } = deps;
      await records.applyChange({ buildId, version, change, at: new Date(), newId });
    },
    async close() {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function makeDeps(
  folder: string,
  { db }: OpenDatabase,
): DeployDeps & { repositories: ReturnType<typeof createRepositories> } {
  const pushes = createPushes(db);
  const repositories = createRepositories({
    root: join(folder, 'repositories'),
    hooksPath: join(folder, 'hooks'),
    environment: gitEnvironment({ path: process.env['PATH'] ?? '/usr/bin:/bin' }),
  });
  let ids = 0;
  const deps: DeployDeps = {
    repositories,
    catchUp: (appId) => moveRefs({ ...deps, listUnmovedRefs, onError: rethrow }, appId),
    source: createDirectorySourceStore({ directory: join(folder, 'sources') }),
    acceptPush: (push) => pushes.acceptPush(push),
    markRefMoved: (buildId, at) => pushes.markRefMoved(buildId, at),
    records: createBuildRecords(db),
    line: createLine(),
    findApp: (name) => createApps(db).findApp(name),
    rightOf: () => Promise.resolve('deployer'),
    findLiveBuild: (appId) => createBuildQueries(db).findLiveBuild(appId),
    queue: { askAdvance: () => Promise.resolve() },
    subscribe: (_buildId, callback) => {
      const timer = setInterval(callback, 20);
      return () => clearInterval(timer);
    },
    registry: 'r.test',
    maxSourceBytes: 1e6,
    now: () => new Date(),
    newId: () => `B${(ids += 1)}`,
    wait: (_milliseconds, signal) => delay(1, undefined, { signal }),
    onError: () => undefined,
    health: { ready: () => Promise.resolve({ checks: { redis: 'ok' } }) },
    shutdown: new AbortController().signal,
  };
  const listUnmovedRefs = async (appId?: string) =>
    (await pushes.listUnmovedRefs(appId)).map((unmoved) => ({
      ...unmoved,
      newSha: unmoved.sha,
      oldSha: unmoved.oldSha ?? zeroSha,
    }));
  return { ...deps, repositories };
}

function rethrow(error: unknown): void {
  throw error;
}
