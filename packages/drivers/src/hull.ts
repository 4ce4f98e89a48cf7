/**
 * The root that a builder sees. A step of a Dockerfile that breaks out of buildah's chroot, or mounts a link to `/`
 * (CVE-2024-1753), finds here: the machine's programs, read-only; no disk, no home, no other builder, no secret.
 *
 *     <hull>/points   a file or directory for each path that is shown, and nothing else
 *     <hull>/root     where `enclose` in builder.bash mounts them, in a mount namespace of the builder's own
 *
 * Each program that runs before a builder delays it, so all mounts are made by one `mount`, from a table.
 */
import { lstat, mkdir, readlink, realpath, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, isMissing } from './errors.ts';

export interface Hull {
  readonly root: string;
  /** As fstab(5) has it, for a builder that may write to these directories below the one of all builders. */
  table(write: readonly string[]): string;
}

const etc = ['passwd', 'group', 'hosts', 'resolv.conf', 'nsswitch.conf', 'ld.so.cache'];
const programs = ['/usr', '/bin', '/lib', '/lib32', '/lib64', '/libx32', '/sbin'];
const shown = [...programs, ...[...etc, 'containers', 'ssl/certs'].map((name) => `/etc/${name}`)];
/** Of containers-common: aliases that lead to public registries, past the configured ones. */
const shortNames = '/etc/containers/registries.conf.d/shortnames.conf';
const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`);
const scratch = ['/tmp', '/var/tmp', '/var/lib', '/run', '/root', '/dev/shm'];
const empty = ['/dev/pts', '/dev/mqueue'];

/** Prepares the hull in a directory for nothing else, beside the builders. Safe to repeat, and side by side. */
export async function prepareHull(
  directory: string,
  { read, bind }: { read: readonly string[]; bind: 'bind' | 'rbind' },
): Promise<Hull> {
  const points = path.join(directory, 'points');
  const root = path.join(directory, 'root');
  await mkdir(root, { recursive: true, mode: 0o700 });
  const rows = [row(points, root, `${bind},ro`)];
  const show = async (target: string, options: string, source = target): Promise<void> => {
    if (await makePoint(points, target)) {
      rows.push(row(source, root + target, `${bind},${options}`));
    }
  };
  for (const target of [...scratch, path.dirname(directory)]) {
    await mkdir(points + target, { recursive: true });
    rows.push(row('tmpfs', root + target, 'size=64m,mode=1777'));
  }
  for (const target of empty) await mkdir(points + target, { recursive: true });
  for (const target of shown) await show(target, 'ro');
  if (await isThere(shortNames)) rows.push(row('/dev/null', root + shortNames, bind));
  for (const target of devices) await show(target, 'rw');
  await show('/dev/fd', 'rw');
  await show('/proc', 'rw');
  await show('/sys', 'ro');
  for (const target of ['/proc/sys', '/proc/sysrq-trigger']) {
    if (await isThere(target)) rows.push(row(target, root + target, 'bind,ro'));
  }
  for (const target of read) await show(target, 'ro');
  return {
    root,
    table: (write) =>
      [...rows, ...write.map((target) => row(target, root + target, bind))].join(''),
  };
}

/** Makes what a path is mounted on. Answers whether a mount is wanted: a link to a directory stays one. */
async function makePoint(points: string, target: string): Promise<boolean> {
  const facts = await lstat(target).catch(unlessMissing);
  if (!facts) return false;
  const place = points + target;
  await mkdir(path.dirname(place), { recursive: true });
  if (facts.isDirectory()) {
    await mkdir(place, { recursive: true });
    return true;
  }
  if (facts.isSymbolicLink() && (await leadsToDirectory(target))) {
    await symlink(await readlink(target), place).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    return false;
  }
  await writeFile(place, '', { flag: 'a' });
  return true;
}

async function leadsToDirectory(link: string): Promise<boolean> {
  // Of /proc/self: another directory for each process that asks.
  if ((await readlink(link)).startsWith('/proc/self/')) return true;
  const target = await realpath(link).catch(unlessMissing);
  return target !== undefined && (await lstat(target)).isDirectory();
}

async function isThere(file: string): Promise<boolean> {
  return (await lstat(file).catch(unlessMissing)) !== undefined;
}

function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}

/** A line of fstab(5); what separates its words is written there in octal. */
function row(source: string, target: string, options: string): string {
  const type = source === 'tmpfs' ? 'tmpfs' : 'none';
  const words = [source, target, type, `${options},X-mount.mkdir`];
  return `${words.map((word) => word.replace(/[\s\\]/g, inOctal)).join(' ')}\n`;
}

function inOctal(character: string): string {
  return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
}
