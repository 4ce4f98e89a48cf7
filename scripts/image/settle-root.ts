/**
 * What the packages' own scripts would have done, as far as it matters, without running a program of the root: users,
 * where names are looked up, the certificates that are trusted; and where our program and its data are.
 * No cache for the loader: it looks into Debian's folders by itself.
 */
import { chown, mkdir, readFile, readdir, rmdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Who needs no rights at all runs it as this one. The number is the one that images without a shell use. */
const hephyId = 65_532;

const users = `root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
hephy:x:${hephyId}:${hephyId}:hephy:/var/lib/hephy:/usr/sbin/nologin
`;
const groups = `root:x:0:
tty:x:5:
nogroup:x:65534:
hephy:x:${hephyId}:
`;
const nameServices = `passwd: files
group: files
hosts: files dns
`;

/** `localCertificates` is a folder of this machine. */
export async function settleRoot(
  root: string,
  { localCertificates }: { localCertificates: string },
): Promise<void> {
  await writeFile(join(root, 'etc/passwd'), users);
  await writeFile(join(root, 'etc/group'), groups);
  await writeFile(join(root, 'etc/nsswitch.conf'), nameServices);
  const certificates = [join(root, 'usr/share/ca-certificates'), localCertificates];
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  await writeFile(
    join(root, 'etc/ssl/certs/ca-certificates.crt'),
    (await Promise.all(certificates.map(readCertificates))).join(''),
  );
  await rmdir(join(root, 'var/run'));
  await symlink('/run', join(root, 'var/run'));
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  await symlink('/opt/hephy/bin/hephy', join(root, 'usr/local/bin/hephy'));
  await mkdir(join(root, 'var/lib/hephy'), { mode: 0o750 });
  await chown(join(root, 'var/lib/hephy'), hephyId, hephyId);
}

/** All `.crt` files of a folder and its own folders, as one. */
async function readCertificates(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const files = entries.filter((name) => name.endsWith('.crt')).toSorted();
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.map((text) => (text.endsWith('\n') ? text : `${text}\n`)).join('');
}
