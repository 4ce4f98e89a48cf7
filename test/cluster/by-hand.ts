/** A worker outside the cluster, as docs/kubernetes.md has it: its own lines are run, with the names of a test. */
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { WorkTree } from '../parts/git-client.ts';
import type { Hephy } from '../parts/hephy.ts';
import { hephyProgram } from '../parts/service-process.ts';
import { readBlocks } from './document-blocks.ts';
import { operatorEnvironment, runLines } from './helm.ts';
import { run } from './run.ts';
import type { Cluster } from './start-cluster.ts';

const manifests = join(import.meta.dirname, '../../deploy/builds.yaml');

export interface BuildsNamespace {
  readonly namespace: string;
  /** The operator's: what they have written is there. */
  readonly home: string;
  remove(): Promise<void>;
}

/** Where builds run, and what the worker is in there. */
export async function makeBuildsNamespace(cluster: Cluster): Promise<BuildsNamespace> {
  const namespace = `hephy-builds-${randomUUID().slice(0, 8)}`;
  const names = { 'hephy-builds': namespace };
  const home = await mkdtemp(join(tmpdir(), 'hephy-by-hand-'));
  const applied = join(home, 'deploy/builds.yaml');
  await cp(manifests, applied);
  await replaceIn(applied, 'hephy-builds', namespace);
  const env = await operatorEnvironment(cluster, { home, tools: ['kubectl'] });
  const shell = (lines: string): Promise<string> => runLines(lines, { cwd: home, env });
  for (const heading of ['A namespace for builds', 'A worker that may use it']) {
    for (const block of await readBlocks({ heading, language: 'sh' }, names)) await shell(block);
  }
  // A test may have a proxy before the API server, which takes tokens and no certificates.
  await replaceIn(join(home, '.kube/hephy-worker'), /(?<="server":")[^"]+/g, cluster.server);
  return {
    namespace,
    home,
    async remove() {
      await shell('kubectl delete --wait=false --filename deploy/builds.yaml');
      await rm(home, { recursive: true, force: true });
    },
  };
}

export interface OwnSettings {
  /** Our own image, as the cluster pulls it. */
  readonly image: string;
  /** Whom the registry asks for. */
  readonly user?: { readonly username: string; readonly password: string } | undefined;
}

/** What makes a service build there. */
export async function kubernetesSettings(
  { registry, images }: Cluster,
  { namespace, home }: BuildsNamespace,
  { image, user }: OwnSettings,
): Promise<Record<string, string>> {
  const names = {
    'registry.example.com/apps': registry,
    'registry.example.com/hephy:latest': image,
    'registry.example.com/kaniko:v1.27.5': images.kaniko,
    '10.0.0.5:7083': `${registry.split(':')[0]}:0`,
    ...(user && { 'USERNAME=hephy': `USERNAME=${user.username}` }),
  };
  const [always = '', ofUser = ''] = await readBlocks(
    { heading: 'The settings', language: 'sh' },
    names,
  );
  const password = join(home, '.hephy-registry-password');
  if (user) await writeFile(password, `${user.password}\n`, { mode: 0o600 });
  return {
    ...(await exportedBy(user ? always + ofUser : always, home)),
    HEPHY_NAMESPACE: namespace,
    HEPHY_REGISTRY_PLAIN_HTTP: 'true',
  };
}

/** In a shell that knows nothing but its home. */
async function exportedBy(lines: string, home: string): Promise<Record<string, string>> {
  const shell = ['env', '--ignore-environment', `HOME=${home}`, 'bash', '-euo', 'pipefail', '-c'];
  const printed = await run([...shell, `${lines}\nenv --null`]);
  const variables = printed.split('\0').filter((one) => one.startsWith('HEPHY_'));
  return Object.fromEntries(variables.map((one) => one.split(/=([^]*)/, 2) as [string, string]));
}

/** Makes the app and pushes from the work tree; answers what the terminal shows. */
export async function pushFirstBuild({ path }: WorkTree, { environment }: Hephy): Promise<string> {
  const [, block] = await readBlocks({ heading: 'A first build', language: 'sh' }, {});
  const PATH = [dirname(hephyProgram), process.env['PATH']].join(delimiter);
  return runLines(`exec 2>&1\n${block}`, { cwd: path, env: { ...environment, PATH } });
}

async function replaceIn(file: string, theirs: string | RegExp, own: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replaceAll(theirs, own));
}
