/** One Debian package of any architecture, without touching this machine's own package lists. */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { preparePrivateApt } from './private-apt.ts';
import { runCommand } from './run-command.ts';

const updateTimeoutMs = 5 * 60_000;
const downloadTimeoutMs = 2 * 60_000;

export interface DebianPackage {
  readonly name: string;
  /** As Debian calls it: `arm64`, `armhf`, `ppc64el`. */
  readonly architecture: string;
}

/** The path of its .deb: the newest one in `cacheDir` if there is any (no network then), else freshly
 *  downloaded. The file's name carries the version. */
export async function fetchDebianPackage(
  wanted: DebianPackage,
  { cacheDir, log }: { cacheDir: string; log: (sentence: string) => void },
): Promise<string> {
  const folder = join(cacheDir, 'debian', wanted.architecture);
  await mkdir(folder, { recursive: true });
  const cached = await newestPackage(folder, wanted);
  if (cached !== undefined) return cached;

  log(`downloading Debian's ${wanted.name} for ${wanted.architecture}`);
  const work = await mkdtemp(join(folder, 'download-'));
  try {
    await download(wanted, work);
    const downloaded = await newestPackage(work, wanted);
    if (downloaded === undefined) throw new Error('apt-get download left no file');
    const kept = join(folder, basename(downloaded));
    await rename(downloaded, kept);
    return kept;
  } catch (cause) {
    const { name, architecture } = wanted;
    throw new Error(`this machine's apt could not get Debian's ${name} for ${architecture}`, {
      cause,
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function download({ name, architecture }: DebianPackage, work: string): Promise<void> {
  const { aptGet } = await preparePrivateApt(work, { architecture });
  const update = runCommand([...aptGet, 'update'], { timeoutMs: updateTimeoutMs });
  const [updated] = await Promise.allSettled([update]);
  try {
    await runCommand([...aptGet, 'download', name], { cwd: work, timeoutMs: downloadTimeoutMs });
  } catch (cause) {
    // A source that is out of order, or lacks this architecture, need not be the one with the package:
    // its failure counts only now.
    if (updated.status === 'fulfilled') throw cause;
    throw new Error(`${String(updated.reason)}, and then the download failed`, { cause });
  }
}

async function newestPackage(folder: string, { name }: DebianPackage): Promise<string | undefined> {
  const names = await readdir(folder);
  const paths = names
    .filter((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'))
    .map((file) => join(folder, file));
  const files = await Promise.all(
    paths.map(async (path) => ({ path, mtimeMs: (await stat(path)).mtimeMs })),
  );
  return files.toSorted((one, other) => other.mtimeMs - one.mtimeMs)[0]?.path;
}
