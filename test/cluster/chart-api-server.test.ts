/** A real API server judges each object that the chart makes, without making it. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { everything, least, shared, trial, written } from './chart-values.ts';
import { readBlocks } from './document-blocks.ts';
import { objectsIn, operatorEnvironment, runLines, templateChart } from './helm.ts';
import { run } from './run.ts';
import { startCluster, type Cluster } from './start-cluster.ts';
import { buildTool } from './tools.ts';

let cluster: Cluster;
const namespace = `chart-${randomUUID().slice(0, 8)}`;
const builds = `${namespace}-builds`;
/** As docs/kubernetes.md has them. */
const levels = { [namespace]: 'restricted', [builds]: 'baseline' };

beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  for (const [name, level] of Object.entries(levels)) {
    const labels = { 'pod-security.kubernetes.io/warn': level };
    await cluster.api.send('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  }
});
afterAll(async () => {
  for (const name of Object.keys(levels)) {
    await cluster?.api.send('DELETE', `/api/v1/namespaces/${name}`);
  }
  await cluster?.stop();
});

/** What kubectl says of each object, warnings too. */
async function judge(manifests: string): Promise<readonly string[]> {
  const apply = ['apply', '--server-side', '--dry-run=server', '--filename=-'];
  const words = [await buildTool('kubectl'), `--kubeconfig=${cluster.kubeconfig}`, ...apply];
  const said = await run(['sh', '-c', '"$@" 2>&1', 'sh', ...words], { input: manifests });
  return said.trim().split('\n');
}

test.each(Object.entries({ least, trial, everything, written, shared }))(
  'it takes each object of the values "%s", and warns of none',
  async (_, values) => {
    const own = {
      ...values,
      builds: { ...('builds' in values && values.builds), namespace: builds },
    };
    const manifests = await templateChart({ values: own, namespace });
    const said = await judge(manifests);
    expect(said.filter((line) => !line.endsWith('(server dry run)'))).toEqual([]);
    expect(said).toHaveLength(objectsIn(manifests).length);
  },
);

test.each(['hephy.yaml', 'builds.yaml'])('it takes each object of deploy/%s', async (name) => {
  const text = await readFile(join(import.meta.dirname, '../../deploy', name), 'utf8');
  const manifests = text
    .replaceAll('hephy-builds', builds)
    .replaceAll(/(name(?:space)?: )hephy$/gm, `$1${namespace}`);
  const said = await judge(manifests);
  expect(said.filter((line) => !line.endsWith('(server dry run)'))).toEqual([]);
  expect(said).toHaveLength(objectsIn(manifests).length);
});

const Secrets = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      data: z.record(
        z.string(),
        z.base64().transform((text) => atob(text)),
      ),
    }),
  ),
});

test('the lines of docs/kubernetes.md make each Secret that deploy/hephy.yaml asks for, and its first lines name them', async () => {
  const text = await readFile(join(import.meta.dirname, '../../deploy/hephy.yaml'), 'utf8');
  const names = { '--namespace hephy ': `--namespace ${namespace} ` };
  const heading = { heading: 'Without Helm', language: 'sh' } as const;
  const home = await mkdtemp(join(tmpdir(), 'hephy-secrets-'));
  try {
    const env = await operatorEnvironment(cluster, { home, tools: ['kubectl'] });
    for (const block of await readBlocks(heading, names)) await runLines(block, { cwd: home, env });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  const { body } = await cluster.api.send('GET', `/api/v1/namespaces/${namespace}/secrets`);
  const { items } = Secrets.parse(body);
  const made = items.flatMap(({ metadata: { name }, data }) =>
    Object.keys(data).map((key) => `${name} ${key}`),
  );
  expect(made.toSorted()).toEqual([...new Set(objectsIn(text).flatMap(secretKeys))].toSorted());
  const title = text.slice(0, text.indexOf('---'));
  for (const name of made.flatMap((one) => one.split(' '))) expect(title).toContain(name);
  const operator = items.find(({ metadata }) => metadata.name === 'hephy-operator');
  expect(operator?.data['token']).toMatch(/^hephy_[\w-]{43}$/);
});

const Asked = z.object({
  name: z.string().optional(),
  secretName: z.string().optional(),
  key: z.string().optional(),
  items: z.array(z.object({ key: z.string() })).optional(),
});

/** `NAME KEY` for each key of a Secret that an object has in a variable or a volume. */
function secretKeys(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]) => {
    if (field !== 'secret' && field !== 'secretKeyRef') return secretKeys(inner);
    const { name, secretName = name, key, items = [{ key }] } = Asked.parse(inner);
    return items.map((item) => `${secretName} ${item.key}`);
  });
}
