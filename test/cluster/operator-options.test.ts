/** What an operator sets for all builders: a volume for layers, authorities of their own, and no HTTP/2. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGitClient } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { startHttp2Breaker, type Http2Breaker } from '../parts/http2-breaker.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let breaker: Http2Breaker;
let hephy: HephyOnCluster;
let folder: string;
const volume = `layers-${crypto.randomUUID().slice(0, 8)}`;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  breaker = await startHttp2Breaker(cluster.registry.split(':')[0] ?? '', cluster.registry);
  folder = await mkdtemp(join(tmpdir(), 'hephy-layers-'));
  const authority = join(folder, 'ca.pem');
  await writeFile(authority, breaker.certificate);
  hephy = await startHephyOn(cluster, {
    HEPHY_CACHE_REPOSITORY: 'oci:/cache/${REPOSITORY}/${ARCH}',
    HEPHY_CACHE_CLAIM: 'layers',
    HEPHY_CERTIFICATES: 'authorities',
    HEPHY_KANIKO_HTTP1: 'true',
    NODE_EXTRA_CA_CERTS: authority,
  });
  await putBesideBuilders();
});
afterAll(async () => {
  await hephy?.close();
  await cluster?.api.send('DELETE', `/api/v1/persistentvolumes/${volume}`);
  await breaker?.stop();
  await cluster?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});
showLogOnFailure(() => hephy);

/** A volume on the node, as a test may have one, with its claim; and the authority of the registry. */
async function putBesideBuilders(): Promise<void> {
  const { namespace } = hephy;
  const size = { storage: '1Gi' };
  const shared = { accessModes: ['ReadWriteMany'], storageClassName: '' };
  const claimRef = { namespace, name: 'layers' };
  const hostPath = { path: folder };
  await cluster.api.send('POST', '/api/v1/persistentvolumes', {
    metadata: { name: volume },
    spec: { ...shared, capacity: size, claimRef, hostPath },
  });
  const inNamespace = `/api/v1/namespaces/${namespace}`;
  await cluster.api.send('POST', `${inNamespace}/persistentvolumeclaims`, {
    metadata: { name: 'layers' },
    spec: { ...shared, volumeName: volume, resources: { requests: size } },
  });
  await cluster.api.send('POST', `${inNamespace}/configmaps`, {
    metadata: { name: 'authorities' },
    data: { 'registry.pem': breaker.certificate },
  });
}

test('a base image is pulled from a registry of an own authority, and layers are found again in the volume', async () => {
  const shop = await hephy.createApp('shop', { platforms: ['linux/amd64'] });
  const push = () => runGitClient(['push', 'deis', 'main'], { cwd: shop.path });
  const dockerfile = `FROM ${breaker.host}/base:1\nRUN echo made > /made\nCOPY hello.txt /\n`;
  await shop.commit({ Dockerfile: dockerfile, 'hello.txt': 'one\n' });
  expect((await push()).exitCode).toBe(0);
  await shop.commit({ Dockerfile: dockerfile, 'hello.txt': 'two\n' });
  const second = await push();
  expect(second.exitCode).toBe(0);
  expect(second.stderr).toContain('Using caching version of cmd: RUN echo made');
  expect(breaker.counts.http1).toBeGreaterThan(0);
});
