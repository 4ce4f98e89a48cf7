/** The arm64 machine's disk, kernel and first files, all from Debian's packages of that architecture. Nothing
 *  foreign is run for it: packages are unpacked, not installed. */
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createHash } from 'node:crypto';
import { cacheEntry } from '../cache-entry.ts';
import { run } from '../run.ts';
import type { GuestFile } from './guest-files.ts';

/** As they are called in the folder. */
export const diskFiles = { disk: 'root.ext4', kernel: 'kernel', firstFiles: 'initrd' } as const;

const packages = [
  'bash',
  'busybox-static',
  'containerd',
  'containernetworking-plugins',
  'coreutils',
  'crun',
  'kmod',
  'linux-image-cloud-arm64',
  'mount',
  'netbase',
  'util-linux',
];
const archiveName = 'debian.tar';
const diskSize = 6 * 1024 ** 3;
const debianTimeoutMs = 10 * 60_000;

/** Answers the archive of the unpacked packages, from the cache if it was made before. */
export async function fetchDebianArm64(): Promise<string> {
  const key = createHash('sha256').update(packages.join()).digest('hex').slice(0, 16);
  const entry = await cacheEntry({ kind: 'debian-arm64', key }, async (folder) => {
    const what = ['--variant=extract', '--architectures=arm64', `--include=${packages.join()}`];
    const command = ['mmdebstrap', '--quiet', ...what, 'bookworm', archiveName];
    await run(command, { cwd: folder, timeoutMs: debianTimeoutMs });
  });
  return join(entry, archiveName);
}

/** Makes `diskFiles` in `folder`. */
export async function makeDisk(
  folder: string,
  from: { debian: string; kubelet: string; files: Readonly<Record<string, GuestFile>> },
): Promise<void> {
  const tree = join(folder, 'tree');
  await mkdir(tree);
  const kept = [
    '--exclude=./usr/share/doc',
    '--exclude=./usr/share/man',
    '--exclude=./usr/share/locale',
  ];
  await run(['tar', '--extract', `--file=${from.debian}`, `--directory=${tree}`, ...kept]);
  for (const mountPoint of ['dev', 'proc', 'root', 'run', 'sys', 'tmp', 'var/log']) {
    await mkdir(join(tree, mountPoint), { recursive: true });
  }
  await symlink('/bin/busybox', join(tree, 'sbin/init'));
  await symlink('bash', join(tree, 'bin/sh'));
  for (const [path, file] of Object.entries(from.files))
    await writeGuestFile(join(tree, path), file);
  await copyFile(from.kubelet, join(tree, 'usr/bin/kubelet'));
  const [release = ''] = await readdir(join(tree, 'lib/modules'));
  await run(['depmod', '--basedir', tree, release]);
  await copyFile(join(tree, 'boot', `vmlinuz-${release}`), join(folder, diskFiles.kernel));
  await makeFirstFiles(folder, { tree, release });
  await rm(join(tree, 'boot'), { recursive: true });
  const disk = join(folder, diskFiles.disk);
  await writeFile(disk, '');
  await truncate(disk, diskSize);
  const noJournal = ['-O', '^has_journal', '-E', 'lazy_itable_init=0'];
  await run(['mke2fs', '-q', '-t', 'ext4', ...noJournal, '-d', tree, disk]);
  await rm(tree, { recursive: true });
}

async function writeGuestFile(path: string, { content, mode = 0o644 }: GuestFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await writeFile(path, content);
  await chmod(path, mode);
}

/** Debian's kernel reads ext4 by itself, but needs modules to see the disk: busybox loads them. */
async function makeFirstFiles(
  folder: string,
  { tree, release }: { tree: string; release: string },
): Promise<void> {
  const first = join(folder, 'first');
  await mkdir(join(first, 'modules'), { recursive: true });
  for (const name of ['bin', 'dev', 'proc', 'mnt']) await mkdir(join(first, name));
  await copyFile(join(tree, 'bin/busybox'), join(first, 'bin/busybox'));
  const names = [];
  for (const module of await modulesFor(['virtio_pci', 'virtio_blk'], { tree, release })) {
    await copyFile(module, join(first, 'modules', basename(module)));
    names.push(basename(module));
  }
  await writeFile(join(first, 'init'), initScript(names), { mode: 0o755 });
  const paths = await run(['find', '.'], { cwd: first });
  const archive = [
    '--create',
    '--format=newc',
    '--quiet',
    `--file=${join(folder, diskFiles.firstFiles)}`,
  ];
  await run(['cpio', ...archive], { cwd: first, input: paths });
  await rm(first, { recursive: true });
}

/** Their files, in the order in which they have to be loaded. */
async function modulesFor(
  modules: readonly string[],
  { tree, release }: { tree: string; release: string },
): Promise<Set<string>> {
  const files = new Set<string>();
  for (const module of modules) {
    const from = ['--dirname', tree, '--set-version', release];
    const lines = await run(['modprobe', ...from, '--show-depends', module]);
    for (const [, file] of lines.matchAll(/^insmod (\S+)/gm)) if (file) files.add(file);
  }
  return files;
}

function initScript(modules: readonly string[]): string {
  return `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in ${modules.join(' ')}; do /bin/busybox insmod /modules/$module; done
until [ -b /dev/vda ]; do /bin/busybox usleep 20000; done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /mnt
/bin/busybox mount --move /dev /mnt/dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /mnt /sbin/init
`;
}
