import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ImageIndex, ImageManifest } from '@hephy/oci';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { architectureOf } from '../../apps/cli/src/base-image/architectures.ts';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { startRegistry, type TestRegistry } from '../parts/registry.ts';
import { buildImage, imageArchitectures, pushImage } from './build-image.ts';
import { createBuildah, type Buildah } from './debian-base.ts';
import { readElf, type ElfFile } from './read-elf.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '../..');
let layout: string;
let folder: string;

beforeAll(async () => {
  layout = await buildImage(() => undefined);
  folder = await mkdtemp(join(tmpdir(), 'hephy-image-'));
}, 900_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const readBlob = async (digest: string): Promise<unknown> =>
  JSON.parse(await readFile(blobFile(digest), 'utf8'));
const blobFile = (digest: string): string =>
  join(layout, 'blobs/sha256', digest.replace('sha256:', ''));

/** The image's index: the one thing that the layout names. */
async function readIndex(): Promise<ImageIndex> {
  const named = ImageIndex.parse(JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')));
  expect(named.manifests).toHaveLength(1);
  return ImageIndex.parse(await readBlob(named.manifests[0]?.digest ?? ''));
}

/** The files of the image, unpacked here. */
async function unpack(architecture: string): Promise<string> {
  const { manifests } = await readIndex();
  const child = manifests.find(({ platform }) => platform?.architecture === architecture);
  const { layers } = ImageManifest.parse(await readBlob(child?.digest ?? ''));
  const files = join(folder, architecture);
  await mkdir(files);
  for (const { digest } of layers) {
    const options = ['--no-same-owner', '--delay-directory-restore', `--directory=${files}`];
    await execute('tar', ['--extract', '--gzip', `--file=${blobFile(digest)}`, ...options]);
  }
  return files;
}

interface PlacedElf extends ElfFile {
  /** In the image. */
  readonly path: string;
}

async function elfFiles(files: string): Promise<PlacedElf[]> {
  const entries = await readdir(files, { recursive: true, withFileTypes: true });
  const found: PlacedElf[] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const elf = readElf(await readFile(path));
    if (elf) found.push({ path: path.slice(files.length), ...elf });
  }
  return found;
}

/** What the loader finds without a cache: names in Debian's two folders that lead to a file. */
async function librariesOf(files: string): Promise<ReadonlySet<string>> {
  const top = join(files, 'usr/lib');
  const folders = (await readdir(top)).filter((name) => name.endsWith('-linux-gnu'));
  const found = new Set<string>();
  for (const folder of [top, ...folders.map((name) => join(top, name))]) {
    for (const name of await readdir(folder)) {
      const file = await realpath(join(folder, name)).catch(() => undefined);
      if (file !== undefined) found.add(name);
    }
  }
  return found;
}

test('the image is one OCI index of both architectures', async () => {
  const { manifests } = await readIndex();
  const platforms = manifests.map(({ platform }) => platform);
  const wanted = imageArchitectures.map((architecture) => ({ os: 'linux', architecture }));
  expect(platforms).toHaveLength(wanted.length);
  expect(platforms).toEqual(expect.arrayContaining(wanted));
});

describe.each(imageArchitectures)('for %s', (architecture) => {
  let files: string;
  let programs: PlacedElf[];

  beforeAll(async () => {
    files = await unpack(architecture);
    programs = await elfFiles(files);
  });

  test('each program and library is of that architecture', () => {
    const { elfMachine } = architectureOf(`linux/${architecture}`);
    const paths = programs.map(({ path }) => path);
    const ours = ['bin/git', 'bin/curl', 'bin/tar', 'bin/buildah', 'local/bin/node'];
    expect(paths).toEqual(expect.arrayContaining(ours.map((path) => `/usr/${path}`)));
    expect(programs.filter(({ machine }) => machine !== elfMachine)).toEqual([]);
  });

  test('each program finds its loader and all libraries that it needs', async () => {
    const libraries = await librariesOf(files);
    const paths = new Set(programs.map(({ path }) => path));
    const missing = programs.flatMap(({ path, needed }) =>
      needed
        // The tables of iconv look for each other beside themselves.
        .filter((name) => !libraries.has(name) && !paths.has(join(dirname(path), name)))
        .map((name) => `${name}, for ${path}`),
    );
    expect(missing).toEqual([]);
    const loaders = new Set(programs.flatMap(({ interpreter }) => interpreter ?? []));
    expect(loaders.size).toBe(1);
    for (const loader of loaders) {
      // A link, which leads from the root of the image.
      const target = await readlink(join(files, loader));
      expect(libraries).toContain(basename(target));
    }
  });

  test('it has neither tests nor what only they need', async () => {
    const code = await readdir(join(files, 'opt/hephy'), { recursive: true });
    const ours = code.filter((path) => /^(apps|packages)\//.test(path));
    expect(ours.filter((path) => path.endsWith('.test.ts'))).toEqual([]);
    expect(code).toContain('node_modules/zod');
    expect(code).not.toContain('node_modules/vitest');
  });

  test('somebody without rights can write to temporary folders alone', async () => {
    const entries = await readdir(files, { recursive: true, withFileTypes: true });
    const writable: string[] = [];
    for (const entry of entries.filter((one) => !one.isSymbolicLink())) {
      const path = join(entry.parentPath, entry.name);
      if (((await lstat(path)).mode & 0o002) !== 0) writable.push(path.slice(files.length));
    }
    expect(writable.toSorted()).toEqual(['/tmp', '/var/lock', '/var/tmp']);
  });

  test('scanners find out which packages it is made of', async () => {
    const git = await readFile(join(files, 'var/lib/dpkg/status.d/git'), 'utf8');
    expect(git).toContain(`\nArchitecture: ${architecture}\n`);
    expect(await readFile(join(files, 'etc/os-release'), 'utf8')).toContain('ID=debian\n');
  });
});

describe('pulled from a registry', () => {
  let registry: TestRegistry;
  let buildah: Buildah;
  let reference: string;
  let container: string;

  beforeAll(async () => {
    registry = await startRegistry();
    reference = `${registry.host}/hephy:test`;
    await pushImage(layout, reference);
    buildah = await createBuildah(join(defaultCacheDir(process.env), 'image-test'));
    container = (await buildah(['from', '--tls-verify=false', reference])).trim();
  });
  afterAll(async () => {
    await buildah(['rm', container]);
    await buildah(['rmi', '--force', reference]);
    await registry.stop();
  });

  const run = async (words: readonly string[], ...options: string[]): Promise<string> =>
    (await buildah(['run', '--isolation=chroot', ...options, container, '--', ...words])).trim();

  test('hephy starts, for root and for somebody without rights', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(await run(['hephy', '--version'])).toBe(version);
    expect(await run(['hephy', '--version'], '--user=65532:65532')).toBe(version);
  });

  test('the programs that its roles call start', async () => {
    expect(await run(['git', '--version'])).toMatch(/^git version /);
    expect(await run(['curl', '--version'])).toMatch(/^curl /);
    expect(await run(['tar', '--version'])).toMatch(/^tar /);
    expect(await run(['bash', '-c', 'type -P unshare flock mount pivot_root du'])).not.toBe('');
  });

  test('git stores and packs without what was left out of its package', async () => {
    const commands = [
      'cd "$(mktemp -d)" && git init --quiet && echo FROM scratch > Dockerfile && git add .',
      'git -c user.name=a -c user.email=a@b commit --quiet --message=first && git gc --quiet',
      'git clone --quiet --bare . bare && git archive HEAD | tar --extract --to-stdout',
    ];
    expect(await run(['bash', '-euc', commands.join('\n')])).toBe('FROM scratch');
  });

  test('buildah builds and runs without what was left out of its package', async () => {
    const commands = [
      'cd "$(mktemp -d)" && cp --dereference /bin/dash /lib/*/libc.so.6 /lib/*/ld-linux* .',
      'echo FROM scratch > Dockerfile && echo COPY dash /bin/sh >> Dockerfile',
      'echo COPY libc.so.6 ld-linux* /lib/ >> Dockerfile',
      'echo COPY ld-linux* /lib64/ >> Dockerfile && echo RUN echo it ran >> Dockerfile',
      'buildah --root=$PWD/a --runroot=$PWD/b --storage-driver=vfs bud --isolation=chroot .',
    ];
    // Without them it would make a user namespace, which no kernel allows in a chroot.
    const said = await run(['bash', '-euc', commands.join('\n')], '--cap-add=CAP_SYS_ADMIN');
    expect(said).toContain('\nit ran\n');
  });

  test('curl and Node trust the certificates of Debian and those of the base', async () => {
    const count = 'tls.getCACertificates("extra").length';
    const [trusted, bundle] = await Promise.all([
      run(['node', '--print', count]),
      run(['cat', '/etc/ssl/certs/ca-certificates.crt']),
    ]);
    const machine = await readFile('/etc/ssl/certs/ca-certificates.crt', 'utf8');
    expect(bundle).toContain(machine.trim());
    expect(bundle.length).toBeGreaterThan(machine.length + 100_000);
    expect(Number(trusted)).toBeGreaterThan(100);
  });

  test('roles start by name, where their data is', async () => {
    const inspected = JSON.parse(await buildah(['inspect', container]));
    expect(inspected.OCIv1.config).toMatchObject({
      Entrypoint: ['hephy'],
      WorkingDir: '/var/lib/hephy',
    });
    expect(await run(['sh', '-c', 'touch it && ls'], '--user=65532:65532')).toBe('it');
  });
});
