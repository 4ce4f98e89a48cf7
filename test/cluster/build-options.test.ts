/** What an app asks of its builder, from a git push to the bytes in the registry. */
import { createHash } from 'node:crypto';
import { createRegistryClient, type RegistryClient } from '@hephy/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runGitClient, type GitClientResult, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { pushImage } from '../parts/images.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let hephy: HephyOnCluster;
let registry: RegistryClient;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  hephy = await startHephyOn(cluster, {
    HEPHY_BASE_MIRROR: `mirrored.test=${cluster.registry}`,
  });
  registry = createRegistryClient({ registry: cluster.registry, plainHttp: true });
});
afterAll(async () => {
  await registry?.close();
  await hephy?.close();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

const push = ({ path }: WorkTree): Promise<GitClientResult> =>
  runGitClient(['push', 'deis', 'main'], { cwd: path });

const Descriptor = z.looseObject({ mediaType: z.string(), digest: z.string(), size: z.number() });
const Manifest = z.looseObject({
  mediaType: z.string(),
  config: Descriptor,
  layers: z.array(Descriptor),
});
const Config = z.looseObject({
  config: z.looseObject({ Labels: z.record(z.string(), z.string()) }),
});

async function imageOf(repository: string, tag: string) {
  const found = await registry.getManifest(repository, tag, {});
  const manifest = Manifest.parse(JSON.parse(Buffer.from(found?.bytes ?? []).toString()));
  const config = await registry.getBlob(repository, manifest.config, {});
  return { manifest, config: Config.parse(JSON.parse(Buffer.from(config ?? []).toString())) };
}

const platforms = ['linux/amd64'];
const value = ` -x --y=z,a #1 'a' "b"\n second $(FF_KANIKO_COPY_AS_ROOT) $$ $$(HOME) \${HOME} \\ é `;

const commitWith = (hello: string) => ({
  Dockerfile:
    'FROM mirrored.test/base:1 AS wanted\nARG VALUE\nRUN printf %s "$VALUE" > /value && sha256sum /value\n' +
    'COPY hello.txt /\nFROM wanted\nRUN exit 9\n',
  'hello.txt': hello,
});

test('an app with a cache, zstd and arguments of any bytes gets them, and its second build takes the layers of the first', async () => {
  const shop = await hephy.createApp('shop', {
    platforms,
    compression: 'zstd',
    compressionLevel: 3,
    snapshotMode: 'redo',
    cacheRepository: '${REPOSITORY}/cache-${ARCH}',
    cacheTtlHours: 1,
    target: 'wanted',
    buildArgs: { VALUE: value },
    labels: { 'test.label': value },
  });
  await shop.commit(commitWith('one\n'));
  const first = await push(shop);
  expect(first.stderr).toContain(createHash('sha256').update(value).digest('hex'));
  expect(first.exitCode).toBe(0);
  const { manifest, config } = await imageOf('shop', 'latest');
  const zstd = 'application/vnd.oci.image.layer.v1.tar+zstd';
  const [, ...added] = manifest.layers;
  expect(new Set(added.map(({ mediaType }) => mediaType))).toEqual(new Set([zstd]));
  const { id, sha } = await hephy.ended('shop', 1);
  expect(config.config.Labels).toMatchObject({
    'test.label': value,
    'org.opencontainers.image.title': 'shop',
    'org.opencontainers.image.revision': sha,
    'hephy-builder.build-id': id,
  });

  await shop.commit(commitWith('two\n'));
  const second = await push(shop);
  expect(second.exitCode).toBe(0);
  expect(second.stderr).toContain('Using caching version of cmd: RUN printf');
  const next = await imageOf('shop', 'latest');
  expect(next.manifest.layers.at(-2)).toEqual(manifest.layers.at(-2));
  expect(next.manifest.layers.at(-1)).not.toEqual(manifest.layers.at(-1));
});

test('what the executor does not have is refused with a sentence, and no KubeJob is made', async () => {
  const early = await hephy.createApp('early', { platforms, imageFormat: 'oci' });
  await early.commit({ Dockerfile: `FROM ${cluster.images.base}\n` });
  const pushed = await push(early);
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain('kaniko 1.27.5 cannot choose the image format oci');
  const jobs = `/apis/batch/v1/namespaces/${hephy.namespace}/jobs?labelSelector=hephy-builder/app=early`;
  expect(await cluster.api.get(jobs)).toMatchObject({ items: [] });
  const fixed = await hephy.call('PATCH', '/v1/apps/early', { settings: { imageFormat: null } });
  expect(fixed.status).toBe(200);
  expect((await push(early)).exitCode).toBe(0);
});

test("an image that took over Docker's format from its base is not published as zstd, nor relabelled", async () => {
  const platform = { os: 'linux', architecture: 'amd64' };
  const base = { repository: 'docker-base', platform, kind: 'docker', tag: '1' } as const;
  await pushImage(registry, base);
  const old = await hephy.createApp('old', { platforms, compression: 'zstd' });
  const { registry: host } = cluster;
  await old.commit({ Dockerfile: `FROM ${host}/docker-base:1\nCOPY Dockerfile /\n` });
  const pushed = await push(old);
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain('an index of OCI images alone was asked for, and linux/amd64 is');
  expect(await registry.headManifest('old', 'latest', {})).toBeUndefined();
});
