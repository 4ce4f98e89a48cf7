import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { preparePrivateApt } from '../../apps/cli/src/base-image/private-apt.ts';
import { runCommand } from '../../apps/cli/src/base-image/run-command.ts';
import { needsOf } from '../../apps/cli/src/machine/needs.mjs';

/** What the needs of the service take for granted on a machine. */
const system = [
  // The layout of folders, the licenses, /etc/os-release.
  'base-files',
  // Of the builder script, of the git hooks, and of whoever looks into a container.
  'bash',
  'coreutils',
  'dash',
  'mount',
  'util-linux',
  // Of Node.
  'libstdc++6',
];

/**
 * What Debian's packages depend on and the service does not use: git's commands in Perl, what the packages run when
 * they are installed, and for buildah the networks of builds that are not isolated by chroot, and signing keys.
 */
const leftOut = [
  'awk',
  'container-network-stack',
  'debconf',
  'dpkg',
  'gnupg',
  'iptables',
  'liberror-perl',
  'openssl',
  'passwd',
  'perl',
];

/** The packages of the image, with what they depend on: paths of .deb files below `work`, which has to be empty. */
export async function downloadPackages(
  architecture: string,
  work: string,
): Promise<readonly string[]> {
  const status = asInstalled(leftOut, architecture);
  const { aptGet, archives } = await preparePrivateApt(work, { architecture, status });
  const needs = needsOf('image', { isRoot: true }).map((need) => need.debianPackage);
  await runCommand([...aptGet, 'update'], { timeoutMs: 5 * 60_000 });
  await runCommand([...aptGet, 'install', '--yes', '--download-only', ...needs, ...system], {
    timeoutMs: 10 * 60_000,
  });
  const files = await readdir(archives);
  return files
    .filter((file) => file.endsWith('.deb'))
    .toSorted()
    .map((file) => join(archives, file));
}

/** dpkg's record of one package that stands for all of these, in a version that is new enough for everybody. */
function asInstalled(names: readonly string[], architecture: string): string {
  return `Package: hephy-left-out
Status: install ok installed
Architecture: ${architecture}
Multi-Arch: foreign
Version: 1
Provides: ${names.map((name) => `${name} (= 999:0)`).join(', ')}
Description: what the image does without
`;
}
