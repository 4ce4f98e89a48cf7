import { lstat, mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runCommand } from '../../apps/cli/src/base-image/run-command.ts';

const timeoutMs = 60_000;

/** Whose folders below /usr hold the files of the top ones. Source: Debian 12, "merged /usr". */
const mergedFolders = ['bin', 'lib', 'lib64', 'sbin'];
const documentation = [
  'bash-completion',
  'doc-base',
  'gitweb',
  'info',
  'lintian',
  'locale',
  'man',
  'perl5',
];

/** Unpacks them into an empty root, and keeps their control files where scanners of images look for them. */
export async function unpackPackages(packages: readonly string[], root: string): Promise<void> {
  const record = join(root, 'var/lib/dpkg/status.d');
  await mkdir(record, { recursive: true });
  for (const debFile of packages) {
    await runCommand(['dpkg-deb', '--extract', debFile, root], { timeoutMs });
    const control = await mkdtemp(`${debFile}-`);
    await runCommand(['dpkg-deb', '--control', debFile, control], { timeoutMs });
    const [name = ''] = debFile.slice(dirname(debFile).length + 1).split('_');
    await rename(join(control, 'control'), join(record, name));
  }
  for (const folder of mergedFolders) await mergeIntoUsr(root, folder);
  await removeDocumentation(join(root, 'usr/share'));
}

async function mergeIntoUsr(root: string, folder: string): Promise<void> {
  const from = join(root, folder);
  const to = join(root, 'usr', folder);
  await mkdir(from, { recursive: true });
  await mkdir(to, { recursive: true });
  await runCommand(['cp', '--archive', '--link', `${from}/.`, to], { timeoutMs });
  await rm(from, { recursive: true });
  await symlink(`usr/${folder}`, from);
}

/** Licenses stay. */
async function removeDocumentation(share: string): Promise<void> {
  for (const folder of documentation) {
    await rm(join(share, folder), { recursive: true, force: true });
  }
  for (const name of await readdir(join(share, 'doc'))) {
    const folder = join(share, 'doc', name);
    if (!(await lstat(folder)).isDirectory()) continue;
    for (const file of await readdir(folder)) {
      if (file !== 'copyright') await rm(join(folder, file), { recursive: true });
    }
  }
}
