/**
 * Our own image, as the Dockerfile makes it, for both architectures. It is built once for each set of files that it is
 * made of; the newest ones are kept as an OCI layout in the cache, ready to be pushed to as many registries as there
 * are tests. Layers that have not changed are taken from the build before.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { withLock } from '../cluster/lock.ts';
import { createBuildah, makeDebianBase, type Buildah } from './debian-base.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const folder = join(defaultCacheDir(process.env), 'image-test');

/** As Docker calls them. */
export const imageArchitectures = ['amd64', 'arm64'] as const;
const madeBy = [
  'Dockerfile',
  '.dockerignore',
  'test/image/build-image.ts',
  'test/image/debian-base.ts',
];
const keptLayouts = 3;
/** Each change of the checkout adds about twenty to buildah's cache of layers. */
const keptLayers = 250;

/** Answers the folder of the OCI layout; its one reference, `image`, is the index of both architectures. */
export async function buildImage(log: (sentence: string) => void): Promise<string> {
  return withLock(join(folder, 'lock'), async () => {
    const layout = join(folder, `layout-${await imageKey()}`);
    if (await isThere(layout)) return layout;
    log('building our own image for both architectures');
    const startedAt = performance.now();
    const buildah = await createBuildah(folder);
    await boundCache(buildah);
    const base = await makeDebianBase(buildah, folder);
    const work = await mkdtemp(join(folder, 'work-'));
    try {
      await rename(await buildInto(work, { buildah, base }), layout);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    await removeOldLayouts();
    log(`built our own image in ${Math.round((performance.now() - startedAt) / 1000)} s`);
    return layout;
  });
}

/**
 * Pushes it by plain HTTP to `host:port/repository:tag`, with the digests that it has. `inside` are words before the
 * command, such as those that put it into a network namespace.
 */
export async function pushImage(
  layout: string,
  reference: string,
  inside: readonly string[] = [],
): Promise<void> {
  const copy = ['copy', '--quiet', '--all', '--preserve-digests', '--dest-tls-verify=false'];
  const [program = '', ...words] = [...inside, 'skopeo', ...copy];
  const named = [`oci:${layout}:image`, `docker://${reference}`];
  await execute(program, [...words, ...named], { timeout: 5 * 60_000 });
}

/** Of what its large layers are made of, which change seldom. */
export async function largeLayersKey(): Promise<string> {
  return keyOf([
    ...madeBy,
    'package.json',
    'package-lock.json',
    '.npmrc',
    'apps/cli/src/machine/needs.mjs',
    'apps/cli/src/base-image/private-apt.ts',
    'apps/cli/src/base-image/run-command.ts',
    ...(await filesBelow(join(root, 'scripts/image'))),
  ]);
}

async function buildInto(
  work: string,
  { buildah, base }: { buildah: Buildah; base: string },
): Promise<string> {
  const layout = join(work, 'layout');
  const index = `localhost/hephy-test:${basename(work)}`;
  const platforms = imageArchitectures.map((architecture) => `linux/${architecture}`);
  await buildah([
    'bud',
    '--isolation=chroot',
    '--layers',
    '--pull-never',
    // The same files are the same layers.
    '--timestamp=0',
    `--platform=${platforms.join(',')}`,
    `--jobs=${platforms.length}`,
    `--build-arg=BASE_IMAGE=${base}`,
    // Docker sets it itself.
    `--build-arg=BUILDPLATFORM=${await platformOf(buildah, base)}`,
    `--manifest=${index}`,
    root,
  ]);
  await buildah(['manifest', 'push', '--all', '--format=oci', index, `oci:${layout}:image`]);
  await buildah(['manifest', 'rm', index]);
  return layout;
}

async function platformOf(buildah: Buildah, image: string): Promise<string> {
  const format = '{{.OCIv1.OS}}/{{.OCIv1.Architecture}}';
  return (await buildah(['inspect', '--type=image', `--format=${format}`, image])).trim();
}

/** Of all that the Dockerfile can copy, and of what else says how it is made. */
async function imageKey(): Promise<string> {
  const ignored = await readFile(join(root, '.dockerignore'), 'utf8');
  const copied = [...ignored.matchAll(/^!(.+)$/gm)].map(([, name = '']) => name);
  const files = (await Promise.all(copied.map((name) => filesBelow(join(root, name))))).flat();
  return keyOf([...madeBy, ...files.toSorted()]);
}

/** Paths are below the checkout, or absolute. */
async function keyOf(files: readonly string[]): Promise<string> {
  const key = createHash('sha256');
  for (const path of files) {
    const file = resolve(root, path);
    const { mode } = await stat(file);
    key
      .update(`${relative(root, file)} ${mode} `)
      .update(await readFile(file))
      .update('\0');
  }
  return key.digest('hex').slice(0, 32);
}

async function filesBelow(path: string): Promise<readonly string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const copied = entries.filter(
    ({ name }) => name !== 'node_modules' && !name.endsWith('.test.ts'),
  );
  const files = await Promise.all(copied.map(({ name }) => filesBelow(join(path, name))));
  return files.flat();
}

/** buildah cannot tell which of its layers were used last. */
async function boundCache(buildah: Buildah): Promise<void> {
  const layers = (await buildah(['images', '--all', '--quiet'])).split('\n');
  if (layers.length > keptLayers) await buildah(['rmi', '--all', '--force']);
}

async function removeOldLayouts(): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('layout-'));
  const layouts = await Promise.all(
    names.map(async (name) => ({ name, mtimeMs: (await stat(join(folder, name))).mtimeMs })),
  );
  const old = layouts.toSorted((one, other) => other.mtimeMs - one.mtimeMs).slice(keptLayouts);
  for (const { name } of old) await rm(join(folder, name), { recursive: true });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
