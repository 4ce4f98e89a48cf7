/** The service as processes of their own on real servers, whose builders are pods on fake nodes. */
import { openDatabase, type OpenDatabase } from '@hephy/store';
import { runGitClient } from '../parts/git-client.ts';
import { startRoles } from '../parts/hephy-roles.ts';
import { makeFakeGround, type FakeGround } from './fake-ground.ts';
import { putBuilds, type BuildsToPut } from './many-builds.ts';
import type { Cluster } from './start-cluster.ts';

type Roles = Awaited<ReturnType<typeof startRoles>>;

export interface RolesOnFakeNodes {
  readonly roles: Roles;
  readonly ground: FakeGround;
  readonly database: OpenDatabase;
  /** Builds that the service finds in its record; answers their ids. */
  putBuilds(builds: Pick<BuildsToPut, 'count' | 'state'>): Promise<string[]>;
  close(): Promise<void>;
}

export interface RolesToStart {
  readonly platforms: readonly string[];
  /** Of each architecture. */
  readonly nodes: number;
  /** Platform builds that the worker runs at once. */
  readonly concurrency: number;
}

const repositoryCount = 50;

/** All roles are up, and one build for the platforms has gone through them. The cluster has to be the caller's own. */
export async function startRolesOnFakeNodes(
  cluster: Cluster,
  { platforms, nodes, concurrency }: RolesToStart,
): Promise<RolesOnFakeNodes> {
  const ground = await makeFakeGround(cluster, { nodes, concurrency });
  const { environment } = ground;
  const roles = await startRoles(['receiver', 'worker', 'publisher', 'api'], { environment });
  const database = await openDatabase({ url: roles.databaseUrl });
  const close = async (): Promise<void> => {
    await database.close();
    await roles.close();
    await ground.close();
  };
  try {
    const like = await pushOnce(roles, ground, platforms);
    const repositories = Array.from(
      { length: repositoryCount },
      (_, at) => `${cluster.registry}/many/app-${at}`,
    );
    return {
      roles,
      ground,
      database,
      putBuilds: (wanted) => putBuilds({ like, repositories, ...wanted }, database),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function pushOnce(
  roles: Roles,
  { builders }: FakeGround,
  platforms: readonly string[],
): Promise<string> {
  const tree = await roles.createApp('first', { platforms });
  await tree.commit({ Dockerfile: 'FROM scratch\nCOPY hello.txt /\n', 'hello.txt': 'hello\n' });
  const { exitCode, stderr } = await builders.endWhile(() =>
    runGitClient(['push', 'deis', 'main'], { cwd: tree.path }),
  );
  if (exitCode !== 0) throw new Error(`the first push ended with ${exitCode}: ${stderr}`);
  const [build] = await roles.builds('first');
  if (!build) throw new Error('the first push made no build');
  return build.id;
}
