import { beforeAll, expect, test } from 'vitest';
import type { WorkTree } from '../parts/git-client.ts';
import { runHephy } from '../parts/run-hephy.ts';
import { buildOptions } from './build-options.ts';
import { amd64, push, thisMachine, useService } from './ground.ts';

const open = useService(() => thisMachine);

buildOptions(open);

let shop: WorkTree;
beforeAll(async () => {
  shop = await open().hephy.createApp('shop', {
    ...amd64,
    compression: 'zstd',
    compressionLevel: 19,
  });
});
const set = (...changes: string[]) =>
  runHephy(['apps', 'set', ...changes], { cwd: shop.path, hephy: open().hephy });

test('what cannot go together is refused at once, and what buildah does not have when it is to build', async () => {
  const { hephy, base } = open();
  const both = await set('imageFormat=docker');
  expect(both).toMatchObject({ code: 1, stdout: '' });
  expect(both.stderr).toContain("docker's image format has no zstd layers; set compression to");
  expect((await set('snapshotMode=redo')).code).toBe(0);
  await shop.commit({ Dockerfile: `FROM ${base}\nRUN echo second\n` });
  const pushed = await push(shop);
  expect(pushed.exitCode).toBe(1);
  expect(pushed.stderr).toContain('has no snapshot mode redo; set snapshotMode to null');
  expect(pushed.stderr).not.toContain('STEP 1');
  await set('snapshotMode=null', 'cacheRepository=${REPOSITORY}/cache-${ARCH}');
  expect((await push(shop)).stderr).toContain('set cacheRepository to null, or compression and');
  await set('compression=null', 'compressionLevel=null');
  expect((await push(shop)).exitCode).toBe(0);
  const cache = await fetch(`http://${hephy.registry}/v2/shop/cache-amd64/tags/list`);
  expect(await cache.json()).toMatchObject({ tags: expect.any(Array) });
});

test("an image in Docker's format is one, with its list", async () => {
  const { hephy, base } = open();
  await set('imageFormat=docker', 'publishIndex=true');
  await shop.commit({ Dockerfile: `FROM ${base}\nRUN echo third\n` });
  expect((await push(shop)).exitCode).toBe(0);
  const accept = 'application/vnd.docker.distribution.manifest.list.v2+json';
  const url = `http://${hephy.registry}/v2/shop/manifests/latest`;
  const list = await fetch(url, { headers: { accept } });
  expect(await list.json()).toMatchObject({
    mediaType: accept,
    manifests: [{ mediaType: 'application/vnd.docker.distribution.manifest.v2+json' }],
  });
});
