import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readElfMachine } from './architectures.ts';
import type { Architecture } from './architectures.ts';
import { runCommand } from './run-command.ts';

// A foreign busybox can't be asked for its list, so these are the ones that a small image's
// Dockerfile and start command use.
const applets =
  'cat chmod cp date echo env false find grep gzip head hostname httpd id ln ls mkdir mv nc ps pwd rm sed sh sleep sort stat tail tar test touch tr true uname wc wget';
const toolTimeoutMs = 60_000;

/** The file system of the base image as a tar archive: busybox, a link for each applet, root and nobody,
 *  and Debian's copyright file. The same .deb gives the same bytes. Refuses a .deb whose busybox is not
 *  of that architecture. */
export async function makeBusyboxLayer(
  { debFile, architecture }: { debFile: string; architecture: Architecture },
  workDir: string,
): Promise<Buffer> {
  const unpacked = join(workDir, 'unpacked');
  const tree = join(workDir, 'tree');
  await runCommand(['dpkg-deb', '-x', debFile, unpacked], { timeoutMs: toolTimeoutMs });
  await proveMachine(join(unpacked, 'bin/busybox'), architecture);
  await makeTree(unpacked, tree);
  const archive = join(workDir, 'layer.tar');
  const entries = ['--format=ustar', '--sort=name', '--mtime=@0'];
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const what = [`--directory=${tree}`, 'bin', 'etc', 'tmp', 'usr'];
  const command = ['tar', '--create', `--file=${archive}`, ...entries, ...owner, ...what];
  await runCommand(command, { timeoutMs: toolTimeoutMs });
  return readFile(archive);
}

async function proveMachine(busybox: string, { debianName, elfMachine }: Architecture) {
  const found = readElfMachine(await readFile(busybox));
  if (found === elfMachine) return;
  throw new Error(`busybox of ${debianName} has ELF machine ${found} and not ${elfMachine}`);
}

async function makeTree(unpacked: string, tree: string): Promise<void> {
  const documents = 'usr/share/doc/busybox-static';
  for (const folder of ['bin', 'etc', 'tmp', documents]) {
    const path = join(tree, folder);
    await mkdir(path, { recursive: true });
  }
  await copyFile(join(unpacked, 'bin/busybox'), join(tree, 'bin/busybox'));
  await copyFile(join(unpacked, documents, 'copyright'), join(tree, documents, 'copyright'));
  for (const applet of applets.split(' ')) await symlink('busybox', join(tree, 'bin', applet));
  await writeFile(
    join(tree, 'etc/passwd'),
    'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  await writeFile(join(tree, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await setModes(tree);
}

/** Exact modes, whatever the umask. */
async function setModes(tree: string): Promise<void> {
  const folders = [
    'bin',
    'etc',
    'usr',
    'usr/share',
    'usr/share/doc',
    'usr/share/doc/busybox-static',
  ];
  for (const folder of folders) await chmod(join(tree, folder), 0o755);
  await chmod(join(tree, 'tmp'), 0o1777);
  await chmod(join(tree, 'bin/busybox'), 0o755);
  for (const file of ['etc/passwd', 'etc/group', 'usr/share/doc/busybox-static/copyright']) {
    await chmod(join(tree, file), 0o644);
  }
}
