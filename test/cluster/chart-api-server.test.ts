/** A real API server judges each object that the chart makes, without making it. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everything, least, shared, trial, written } from './chart-values.ts';
import { objectsIn, templateChart } from './helm.ts';
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
