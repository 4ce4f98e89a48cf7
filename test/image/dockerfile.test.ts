import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { createBuildah, makeDebianBase } from './debian-base.ts';
import type { Buildah } from './debian-base.ts';

const root = join(import.meta.dirname, '../..');
const image = `localhost/hephy-test:${process.pid}`;
let buildah: Buildah;
let container: string | undefined;

beforeAll(async () => {
  const folder = join(defaultCacheDir(process.env), 'image-test');
  buildah = await createBuildah(folder);
  const base = await makeDebianBase(buildah, folder);
  const build = ['bud', '--isolation', 'chroot', '--tag', image];
  await buildah([...build, '--build-arg', `BASE_IMAGE=${base}`, root]);
  container = (await buildah(['from', image])).trim();
}, 600_000);

afterAll(async () => {
  if (container !== undefined) await buildah(['rm', container]);
  await buildah(['rmi', '--force', image]);
});

const runInside = (...command: string[]) =>
  buildah(['run', '--isolation', 'chroot', container ?? '', '--', ...command]);

const listInside = async (...command: string[]) =>
  (await runInside(...command)).split('\n').filter(Boolean);

test('hephy starts in the image that the Dockerfile makes', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect((await runInside('hephy', '--version')).trim()).toBe(version);
});

test('the image has what its roles call, and they start by name', async () => {
  await runInside('sh', '-c', 'command -v git && command -v curl && command -v buildah');
  const inspected = JSON.parse(await buildah(['inspect', '--type', 'image', image]));
  expect(inspected.OCIv1.config).toMatchObject({
    Entrypoint: ['hephy'],
    WorkingDir: '/var/lib/hephy',
  });
});

test('the image has neither tests nor what only they need', async () => {
  const ours = ['/opt/hephy/packages', '/opt/hephy/apps'];
  expect(await listInside('find', ...ours, '-name', '*.test.ts')).toEqual([]);
  const installed = await listInside('ls', '/opt/hephy/node_modules');
  expect(installed).toContain('zod');
  expect(installed).not.toContain('vitest');
});
