import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runGitClient, type WorkTree } from '../parts/git-client.ts';
import { showLogOnFailure, startHephy, type Hephy } from '../parts/hephy.ts';
import { runHephy } from '../parts/run-hephy.ts';

let hephy: Hephy;
let base: string;
let shop: WorkTree;
beforeAll(async () => {
  hephy = await startHephy();
  base = await hephy.baseImage();
  shop = await hephy.createApp('shop', { platforms: ['linux/amd64'] });
});
afterAll(async () => hephy?.close());
showLogOnFailure(() => hephy);

const set = (...changes: string[]) =>
  runHephy(['apps', 'set', ...changes], { cwd: shop.path, hephy });
const push = () => runGitClient(['push', 'deis', 'main'], { cwd: shop.path });

const Manifest = z.object({
  mediaType: z.string(),
  layers: z.array(z.object({ mediaType: z.string() })),
});
async function layerTypes(): Promise<string[]> {
  const { layers } = Manifest.parse(JSON.parse((await hephy.readTag('shop', 'latest')) ?? '{}'));
  return layers.map(({ mediaType }) => mediaType);
}

const value = ` -x --y=z,a #1 'a' "b"\n second $(HOME) $$ \${HOME} \\ é `;

test('what the command line sets for an app is what its next build does', async () => {
  const buildArgs = JSON.stringify({ VALUE: value }, null, 2);
  const said = await set(
    'compression=zstd',
    'compressionLevel=19',
    'cacheTtlHours=48',
    `buildArgs=${buildArgs}`,
  );
  expect(JSON.parse(said.stdout)).toMatchObject({
    compression: 'zstd',
    compressionLevel: 19,
    cacheTtlHours: 48,
    buildArgs: { VALUE: value },
  });
  const step = 'RUN printf %s "$VALUE" > /value && sha256sum /value';
  await shop.commit({ Dockerfile: `FROM ${base}\nARG VALUE\n${step}\n` });
  const pushed = await push();
  expect(pushed.stderr).toContain(createHash('sha256').update(value).digest('hex'));
  expect(pushed.exitCode).toBe(0);
  expect((await layerTypes()).at(-1)).toBe('application/vnd.oci.image.layer.v1.tar+zstd');
});

test('what cannot go together is refused at once, and what buildah does not have when it is to build', async () => {
  const both = await set('imageFormat=docker');
  expect(both).toMatchObject({ code: 1, stdout: '' });
  expect(both.stderr).toContain("docker's image format has no zstd layers; set compression to");
  expect((await set('snapshotMode=redo')).code).toBe(0);
  await shop.commit({ Dockerfile: `FROM ${base}\nRUN echo second\n` });
  const pushed = await push();
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain('has no snapshot mode redo; set snapshotMode to null');
  expect(pushed.stderr).not.toContain('STEP 1');
  await set('snapshotMode=null', 'cacheRepository=${REPOSITORY}/cache-${ARCH}');
  expect((await push()).stderr).toContain('set cacheRepository to null, or compression and');
  await set('compression=null', 'compressionLevel=null');
  expect((await push()).exitCode).toBe(0);
  const cache = await fetch(`http://${hephy.registry}/v2/shop/cache-amd64/tags/list`);
  expect(await cache.json()).toMatchObject({ tags: expect.any(Array) });
});

test("an image in Docker's format is one, with its list", async () => {
  await set('imageFormat=docker', 'publishIndex=true');
  await shop.commit({ Dockerfile: `FROM ${base}\nRUN echo third\n` });
  expect((await push()).exitCode).toBe(0);
  const accept = 'application/vnd.docker.distribution.manifest.list.v2+json';
  const url = `http://${hephy.registry}/v2/shop/manifests/latest`;
  const list = await fetch(url, { headers: { accept } });
  expect(await list.json()).toMatchObject({
    mediaType: accept,
    manifests: [{ mediaType: 'application/vnd.docker.distribution.manifest.v2+json' }],
  });
});
