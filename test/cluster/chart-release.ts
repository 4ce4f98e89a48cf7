/** The chart, installed into a cluster by the very lines of docs/kubernetes.md, with what only a test's cluster has set. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { pushServersImage } from '../image/servers-image.ts';
import { createWorkTree, type WorkTree } from '../parts/git-client.ts';
import { createApi } from '../parts/hephy.ts';
import { until } from '../parts/until.ts';
import { readBlocks } from './document-blocks.ts';
import { chart, operatorEnvironment, runLines } from './helm.ts';
import { pushOurImage } from './hephy-on-cluster.ts';
import { nodeNames } from './layout.ts';
import type { Cluster } from './start-cluster.ts';

const nodePorts = { git: 30_780, api: 30_781 };
const storageClass = 'of-the-chart-test';
const volumeNames = ['chart-0', 'chart-1', 'chart-2'];

const inspect = `
kubectl get pods,events --namespace hephy
kubectl logs --namespace hephy --all-containers --prefix --tail=20 --selector app.kubernetes.io/instance=hephy || true
`;

export type ChartRelease = Awaited<ReturnType<typeof installChart>>;

export async function installChart(cluster: Cluster) {
  const folder = await mkdtemp(join(tmpdir(), 'hephy-chart-'));
  await symlink(dirname(chart), join(folder, 'charts'));
  const env = await operatorEnvironment(cluster, { home: folder, tools: ['helm', 'kubectl'] });
  /** As the operator, in a folder that has the checkout's `charts`. */
  const shell = (lines: string): Promise<string> => runLines(lines, { cwd: folder, env });
  const { blocks, values } = await readDocument(cluster);
  await writeFile(join(folder, 'hephy.yaml'), JSON.stringify(values));
  /** Removes what the chart does not: its namespace, the volumes that were there before it. */
  const close = async (): Promise<void> => {
    await shell('kubectl delete namespace hephy hephy-builds --ignore-not-found');
    await shell(`kubectl delete persistentvolume --ignore-not-found ${volumeNames.join(' ')}`);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await makeVolumes(cluster);
    for (const block of blocks) {
      await shell(block);
      if (block.includes('helm install')) await untilAnswers(values.api.publicUrl);
    }
  } catch (cause) {
    const state = await shell(inspect);
    await close();
    throw new Error(`the chart was not installed:\n${state}`, { cause });
  }
  const token = await shell(
    "kubectl get secret hephy-operator --namespace hephy --output go-template='{{.data.token | base64decode}}'",
  );
  return {
    shell,
    env,
    token,
    ...createApi({ apiUrl: values.api.publicUrl, token }),
    /** Makes an app as a user does, with the command line. */
    async createApp(name: string): Promise<WorkTree> {
      const tree = await createWorkTree(join(folder, name));
      await runLines(`hephy apps create ${name}`, { cwd: tree.path, env });
      return tree;
    },
    close,
  };
}

/** kube-proxy hears of a ready pod a moment after helm does. */
async function untilAnswers(url: string): Promise<void> {
  await until('the API answers', () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
}

const Values = z.looseObject({ api: z.looseObject({ publicUrl: z.string() }) });

/** The section's shell blocks, and the values that it has an operator write. */
async function readDocument(
  cluster: Cluster,
): Promise<{ blocks: readonly string[]; values: z.infer<typeof Values> }> {
  const [host = ''] = cluster.registry.split(':');
  const names = {
    'registry.example.com/hephy:latest': await pushOurImage(cluster),
    'registry.example.com/kaniko:v1.27.5': cluster.images.kaniko,
    'registry.example.com/apps': cluster.registry,
    'https://git.example.com': `http://${host}:${nodePorts.git}`,
    'https://hephy.example.com': `http://${host}:${nodePorts.api}`,
  };
  const heading = 'By chart';
  const [written = ''] = await readBlocks({ heading, language: 'yaml' }, names);
  const values = merge(parse(written), await clusterValues(cluster));
  const blocks = await readBlocks({ heading, language: 'sh' }, names);
  return { blocks, values: Values.parse(values) };
}

/** No hub, no TLS, no volumes that make themselves, no way in but a node's port. */
async function clusterValues({ registry }: Cluster): Promise<object> {
  const image = `${registry}/servers:test`;
  await pushServersImage(image);
  const storage = { storageClass };
  return {
    registry: { plainHttp: true },
    receiver: { ...nodePort(nodePorts.git), storage },
    api: nodePort(nodePorts.api),
    sources: { storage },
    postgresql: { image, storage },
    redis: { image },
    nodeSelector: { 'kubernetes.io/hostname': nodeNames.amd64 },
    settings: { HEPHY_BUILDER_MEMORY: '1Gi' },
  };
}

function nodePort(port: number): object {
  return { service: { type: 'NodePort', nodePort: port } };
}

function merge(into: unknown, from: unknown): unknown {
  if (typeof into !== 'object' || into === null) return from;
  if (typeof from !== 'object' || from === null) return from;
  const both: Record<string, unknown> = { ...into };
  for (const [key, value] of Object.entries(from)) both[key] = merge(both[key], value);
  return both;
}

/** Folders of the amd64 node, as volumes that are there before they are asked for. */
async function makeVolumes({ folder, api }: Cluster): Promise<void> {
  const hostname = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeNames.amd64] };
  for (const name of volumeNames) {
    const path = join(folder, 'volumes', name);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    const spec = {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '10Gi' },
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: 'Retain',
      local: { path },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
    };
    const made = await api.send('POST', '/api/v1/persistentvolumes', { metadata: { name }, spec });
    if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  }
}
