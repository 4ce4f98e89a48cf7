import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../parts/until.ts';
import type { ApiClient } from './api-client.ts';
import { addFakeNodes, fakeNodeTaint, removeFakeNodes } from './fake-nodes.ts';
import { runKanikoJob } from './kaniko-job.ts';
import { layoutOf, type NodeArchitecture } from './layout.ts';
import { linkNames } from './network.ts';
import { isReady, NodeList } from './node-list.ts';
import { makeNamespace, runJob } from './run-job.ts';
import { startCluster } from './start-cluster.ts';
import type { Cluster } from './start-cluster.ts';

/** Kubernetes is built from its sources where the cache has none: half an hour, once. */
const coldMs = 60 * 60_000;
const jobMs = 300_000;

describe('the cluster that tests share', () => {
  let cluster: Cluster;
  let namespace: string;

  beforeAll(async () => {
    cluster = await startCluster({ arm64: true, services: true });
    namespace = await makeNamespace(cluster);
  }, coldMs);
  afterAll(async () => {
    await cluster?.api.send('DELETE', `/api/v1/namespaces/${namespace}`);
    await cluster?.stop();
  });

  test('has a ready node of each architecture', async () => {
    const { items } = NodeList.parse(await cluster.api.get('/api/v1/nodes'));
    const real = items.filter(({ metadata }) => cluster.nodes.includes(metadata.name));
    expect(real.filter(isReady).map(({ metadata }) => metadata.name)).toEqual([
      'node-amd64',
      'node-arm64',
    ]);
    expect(real.map(({ status }) => status.nodeInfo.architecture)).toEqual(['amd64', 'arm64']);
  });

  test.for([
    { architecture: 'amd64', machine: 'x86_64' },
    { architecture: 'arm64', machine: 'aarch64' },
  ] as const)(
    'kaniko builds on the $architecture node: RUN sees $machine, and its digest is the registry’s',
    { timeout: jobMs },
    async ({ architecture, machine }) => {
      const tag = `${architecture}-${crypto.randomUUID().slice(0, 8)}`;
      const dockerfile = `FROM ${cluster.images.base}\nRUN echo "RUN is on $(uname -m)"\n`;
      const build = {
        namespace,
        name: `kaniko-${tag}`,
        architecture,
        dockerfile,
        destination: `app:${tag}`,
      };
      const { nodeName, message, log } = await runKanikoJob(build, cluster, jobMs);
      expect(nodeName).toBe(`node-${architecture}`);
      expect(log.split('\n')).toContain(`RUN is on ${machine}`);
      const registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
      const pushed = await registry.headManifest('app', tag);
      await registry.close();
      expect(message).toBe(pushed?.digest);
    },
  );

  test.for([
    { from: 'amd64', to: 'amd64' },
    { from: 'amd64', to: 'arm64' },
    { from: 'arm64', to: 'amd64' },
    { from: 'arm64', to: 'arm64' },
  ] as const)(
    'a pod of the $from node reaches a Service of the $to node by its name',
    { timeout: jobMs },
    async ({ from, to }) => {
      const name = `web-${crypto.randomUUID().slice(0, 8)}`;
      await serve({ namespace, name, architecture: to }, cluster);
      const ask = `until wget -qO- http://${name}.${namespace}.svc.cluster.local; do sleep 1; done`;
      const containers = [{ name: 'main', image: cluster.images.base, command: ['sh', '-c', ask] }];
      const { log } = await runJob(
        { namespace, name, architecture: from, podSpec: { containers } },
        cluster,
        jobMs,
      );
      expect(log).toContain(`hello from ${name}`);
    },
  );

  test('fake nodes take pods that tolerate them, and go', { timeout: jobMs }, async () => {
    const nodes = await addFakeNodes(cluster, { count: 20, architecture: 'arm64' });
    const nodeName = await runFakePod(namespace, cluster);
    expect(nodes).toContain(nodeName);
    await removeFakeNodes(cluster);
    const { items } = NodeList.parse(await cluster.api.get('/api/v1/nodes'));
    expect(items.map(({ metadata }) => metadata.name)).not.toContain(nodeName);
  });
});

describe('a cluster of its own', () => {
  const number = 89;
  const options = { arm64: false, number };

  test('comes up although its last start was cut off', { timeout: coldMs }, async () => {
    await cutOffStart(number);
    const cluster = await startCluster(options);
    expect(await cluster.api.isReady()).toBe(true);
    await cluster.stop();
  });

  test('is one for all who ask, until the last of them stops it', { timeout: coldMs }, async () => {
    const [one, other] = [await startCluster(options), await startCluster(options)];
    const namespace = '/api/v1/namespaces/made-by-one';
    await one.api.send('POST', '/api/v1/namespaces', { metadata: { name: 'made-by-one' } });
    await one.stop();
    expect((await other.api.send('GET', namespace)).status).toBe(200);
    await other.stop();
    expect(await tracesOf(number, [])).toEqual([]);
  });

  test('knows after a crash what it knew before', { timeout: coldMs }, async () => {
    const cluster = await startCluster(options);
    await cluster.api.send('POST', '/api/v1/namespaces', { metadata: { name: 'before' } });
    for (const name of ['kube-apiserver', 'etcd']) await cluster.kill(name);
    expect(await cluster.api.isReady()).toBe(false);
    for (const name of ['etcd', 'kube-apiserver']) await cluster.revive(name);
    await until('the API server answers again', () => cluster.api.isReady());
    expect((await cluster.api.send('GET', '/api/v1/namespaces/before')).status).toBe(200);
    await cluster.stop();
  });

  test('leaves nothing, whatever still runs in it', { timeout: coldMs }, async () => {
    const cluster = await startCluster(options);
    const container = await runEndlessPod(cluster);
    expect(await tracesOf(number, [container])).not.toEqual([]);
    await cluster.stop();
    expect(await tracesOf(number, [container])).toEqual([]);
  });
});

/** Kills the program that brings a cluster up when half of it is there. */
async function cutOffStart(number: number): Promise<void> {
  const up = join(import.meta.dirname, 'up.ts');
  const child = spawn(process.execPath, [up, `--number=${number}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('network and registry')) break;
  }
  child.kill('SIGKILL');
  await ended;
}

/** A web server that says its name, with a Service before it. */
async function serve(
  {
    namespace,
    name,
    architecture,
  }: { namespace: string; name: string; architecture: NodeArchitecture },
  { api, images }: Cluster,
): Promise<void> {
  const page = `mkdir /pages; echo "hello from ${name}" > /pages/index.html; httpd -f -p 8080 -h /pages`;
  const containers = [{ name: 'web', image: images.base, command: ['sh', '-c', page] }];
  const labels = { app: name };
  await api.send('POST', podsOf(namespace), {
    metadata: { name, labels },
    spec: { containers, nodeSelector: { 'kubernetes.io/arch': architecture } },
  });
  const { status } = await api.send('POST', `/api/v1/namespaces/${namespace}/services`, {
    metadata: { name },
    spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  });
  expect(status).toBe(201);
}

const Pod = z.object({
  spec: z.object({ nodeName: z.string().optional() }),
  status: z.object({
    phase: z.string(),
    containerStatuses: z.array(z.object({ containerID: z.string().optional() })).default([]),
  }),
});
function podsOf(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** Answers the node that it runs on. */
async function runFakePod(namespace: string, { api }: Cluster): Promise<string | undefined> {
  const { key, effect } = fakeNodeTaint;
  const name = `fake-${crypto.randomUUID().slice(0, 8)}`;
  const spec = {
    nodeSelector: { type: 'kwok' },
    tolerations: [{ key, operator: 'Exists', effect }],
    containers: [{ name: 'main', image: 'nothing' }],
  };
  await api.send('POST', podsOf(namespace), { metadata: { name }, spec });
  const pod = await untilPodRuns(`${podsOf(namespace)}/${name}`, api);
  return pod.spec.nodeName;
}

/** Answers the id of its container, which won't end by itself and has a child. */
async function runEndlessPod({ api, images }: Cluster): Promise<string> {
  const command = ['sh', '-c', 'sleep 100000 & wait'];
  const container = { name: 'endless', image: images.base, command };
  const pods = podsOf('default');
  await api.send('POST', pods, {
    metadata: { name: 'endless' },
    spec: { containers: [container] },
  });
  const pod = await untilPodRuns(`${pods}/endless`, api);
  return (pod.status.containerStatuses[0]?.containerID ?? '').replace('containerd://', '');
}

async function untilPodRuns(path: string, api: ApiClient): Promise<z.infer<typeof Pod>> {
  return until(`${path} runs`, async () => {
    const pod = Pod.parse(await api.get(path));
    return pod.status.phase === 'Running' && pod;
  });
}

/** Whatever on this machine shows that there is or was a cluster of this number. */
async function tracesOf(number: number, containers: readonly string[]): Promise<string[]> {
  const { folder, nodeBridge } = layoutOf(number);
  const isTrace = (text: string) =>
    text.includes(folder) || containers.some((id) => text.includes(id));
  const links = (await linkNames()).filter((name) => name.startsWith(nodeBridge));
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter(isTrace);
  const folders = [
    '/tmp',
    '/sys/fs/cgroup',
    '/run/containerd',
    '/var/lib/cni',
    '/var/log/containers',
  ];
  const files = await Promise.all(folders.map(listBelow));
  return [...links, ...mounts, ...files.flat().filter(isTrace), ...(await processesLike(isTrace))];
}

async function listBelow(folder: string): Promise<string[]> {
  const depth = folder === '/tmp' ? { recursive: false } : { recursive: true };
  const names = await readdir(folder, depth).catch(() => []);
  return names.map((name) => join(folder, name));
}

/** A process that has ended, but was not yet asked for by its parent, has no command line. */
async function processesLike(isTrace: (text: string) => boolean): Promise<string[]> {
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    numbers.map(async (pid) => {
      const commandLine = await readIfAlive(`/proc/${pid}/cmdline`);
      return commandLine && `${commandLine} in ${await readIfAlive(`/proc/${pid}/cgroup`)}`;
    }),
  );
  return found.filter(isTrace);
}

async function readIfAlive(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
