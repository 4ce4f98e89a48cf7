/**
 * The programs of the cluster that no Debian package has, or only an old one. Each comes from a Go module that pins all of its
 * dependencies (tools/NAME/go.mod and go.sum), is built once, and stays in the cache until its pins change.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { markAsUsed, removeUnused } from './cache-entry.ts';
import { clusterCache } from './layout.ts';
import type { NodeArchitecture } from './layout.ts';
import { withLock } from './lock.ts';
import { run } from './run.ts';

export const kubernetesVersion = 'v1.34.4';
const [major, minor] = kubernetesVersion.slice(1).split('.');
const kubernetesFlags = Object.entries({
  gitVersion: kubernetesVersion,
  gitMajor: major,
  gitMinor: minor,
})
  .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
  .join(' ');

/** By program: its module below tools/, and its package. */
const sources = {
  etcd: ['kubernetes', 'go.etcd.io/etcd/server/v3'],
  'kube-apiserver': ['kubernetes', 'k8s.io/kubernetes/cmd/kube-apiserver'],
  'kube-controller-manager': ['kubernetes', 'k8s.io/kubernetes/cmd/kube-controller-manager'],
  'kube-scheduler': ['kubernetes', 'k8s.io/kubernetes/cmd/kube-scheduler'],
  kubelet: ['kubernetes', 'k8s.io/kubernetes/cmd/kubelet'],
  kubectl: ['kubernetes', 'k8s.io/kubernetes/cmd/kubectl'],
  'kube-proxy': ['kubernetes', 'k8s.io/kubernetes/cmd/kube-proxy'],
  executor: ['kaniko', 'github.com/osscontainertools/kaniko/cmd/executor'],
  coredns: ['coredns', 'github.com/coredns/coredns'],
  kwok: ['kwok', 'sigs.k8s.io/kwok/cmd/kwok'],
  helm: ['helm', 'helm.sh/helm/v3/cmd/helm'],
  versitygw: ['versitygw', 'github.com/versity/versitygw/cmd/versitygw'],
  cyclonus: ['cyclonus', 'github.com/mattfenwick/cyclonus/cmd/cyclonus'],
} as const satisfies Record<string, readonly [module: string, package_: string]>;

export type Tool = keyof typeof sources;

const isCacheFolder = /^[0-9a-f]{32}$/;
const buildTimeoutMs = 40 * 60_000;

/** The path of a program, which is built first where the cache lacks it. */
export async function buildTool(
  tool: Tool,
  architecture: NodeArchitecture = 'amd64',
  log: (sentence: string) => void = () => {},
): Promise<string> {
  const [module, package_] = sources[tool];
  const folder = await cacheFolder(module, architecture);
  const built = join(folder, 'bin', tool);
  if (existsSync(built)) return built;
  return withLock(join(folder, 'lock'), async () => {
    if (existsSync(built)) return built;
    log(`building ${tool} for ${architecture}`);
    const work = await mkdtemp(join(folder, 'making-'));
    try {
      const program = join(work, 'program');
      const linked = `-s -w${module === 'kubernetes' ? ` ${kubernetesFlags}` : ''}`;
      await run(['go', 'build', '-trimpath', '-ldflags', linked, '-o', program, package_], {
        cwd: moduleFolder(module),
        env: { CGO_ENABLED: '0', GOOS: 'linux', GOARCH: architecture },
        timeoutMs: buildTimeoutMs,
      });
      await mkdir(join(folder, 'bin'), { recursive: true });
      await rename(program, built);
      return built;
    } finally {
      await rm(work, { recursive: true, force: true });
      await removeUnused((name) => isCacheFolder.test(name));
    }
  });
}

/** Builds what the cache lacks, one after the other: a test that had to wait for it would be late. */
export async function buildTools(log: (sentence: string) => void): Promise<void> {
  for (const tool of Object.keys(sources) as Tool[]) await buildTool(tool, 'amd64', log);
  for (const tool of ['kubelet', 'executor'] as const) await buildTool(tool, 'arm64', log);
}

/** A folder of the module's own, for other files that are made from it: where `go` unpacked a dependency. */
export async function dependencyFolder(module: string, dependency: string): Promise<string> {
  const list = ['go', 'list', '-m', '-f', '{{.Dir}}', dependency];
  return (await run(list, { cwd: moduleFolder(module), timeoutMs: buildTimeoutMs })).trim();
}

async function cacheFolder(module: string, architecture: NodeArchitecture): Promise<string> {
  const key = createHash('sha256');
  for (const name of ['go.mod', 'go.sum'])
    key.update(await readFile(join(moduleFolder(module), name)));
  const version = await run(['go', 'env', 'GOVERSION'], { cwd: moduleFolder(module) });
  key.update(`${version} ${architecture}`);
  const folder = join(clusterCache(), key.digest('hex').slice(0, 32));
  await mkdir(folder, { recursive: true });
  await markAsUsed(folder);
  return folder;
}

function moduleFolder(module: string): string {
  return join(import.meta.dirname, 'tools', module);
}
