import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../parts/until.ts';
import { makeBuildNamespace, runKanikoJob } from './kaniko-job.ts';
import { layoutOf } from './layout.ts';
import { missingForCluster } from './needs.ts';
import { linkNames } from './network.ts';
import { isReady, NodeList } from './node-list.ts';
import { startCluster } from './start-cluster.ts';
import type { Cluster } from './start-cluster.ts';

const missing = missingForCluster({ arm64: true });
const isLeftOut = missing.length > 0 && process.env['CI'] !== 'true';
if (isLeftOut)
  process.stderr.write(`the tests on Kubernetes are left out: ${missing.join('; ')}\n`);

/** Kubernetes is built from its sources where the cache has none: half an hour, once. */
const coldMs = 60 * 60_000;
const jobMs = 300_000;

describe.skipIf(isLeftOut)('the cluster that tests share', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ arm64: true });
    await makeBuildNamespace(cluster);
  }, coldMs);
  afterAll(() => cluster.stop());

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
      const build = { name: `kaniko-${tag}`, architecture, dockerfile, destination: `app:${tag}` };
      const { nodeName, message, log } = await runKanikoJob(build, cluster, jobMs);
      expect(nodeName).toBe(`node-${architecture}`);
      expect(log.split('\n')).toContain(`RUN is on ${machine}`);
      const registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
      const pushed = await registry.headManifest('app', tag);
      await registry.close();
      expect(message).toBe(pushed?.digest);
    },
  );
});

describe.skipIf(isLeftOut)('a cluster of its own', () => {
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

const Pod = z.object({
  status: z.object({
    containerStatuses: z
      .array(z.object({ containerID: z.string().optional(), ready: z.boolean() }))
      .default([]),
  }),
});

/** Answers the id of its container, which won't end by itself and has a child. */
async function runEndlessPod({ api, images }: Cluster): Promise<string> {
  const pods = '/api/v1/namespaces/default/pods';
  const container = {
    name: 'endless',
    image: images.base,
    command: ['sh', '-c', 'sleep 100000 & wait'],
  };
  await until('the default service account is there', async () => {
    const { status } = await api.send('GET', '/api/v1/namespaces/default/serviceaccounts/default');
    return status === 200;
  });
  const pod = { metadata: { name: 'endless' }, spec: { containers: [container] } };
  const { status, body } = await api.send('POST', pods, pod);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return until('the pod runs', async () => {
    const [found] = Pod.parse(await api.get(`${pods}/endless`)).status.containerStatuses;
    return found?.ready && found.containerID?.replace('containerd://', '');
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

async function processesLike(isTrace: (text: string) => boolean): Promise<string[]> {
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    numbers.map(async (pid) => [
      await readIfAlive(`/proc/${pid}/cmdline`),
      await readIfAlive(`/proc/${pid}/cgroup`),
    ]),
  );
  return found.flat().filter(isTrace);
}

async function readIfAlive(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
