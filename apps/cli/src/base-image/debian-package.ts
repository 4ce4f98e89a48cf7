/**
 * One Debian package of any architecture, from the sources that this machine's apt already trusts,
 * without touching its own package lists or architectures: apt-get works in folders of ours, checks the
 * signature of the release and the checksum of the package as always, and needs no root.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runCommand } from './run-command.ts';

const updateTimeoutMs = 5 * 60_000;
const downloadTimeoutMs = 2 * 60_000;

// Read after the machine's own configuration, whose hooks are for the machine's own lists.
const privateConfiguration = `
#clear APT::Architectures;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`;

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
  await mkdir(join(work, 'state/lists/partial'), { recursive: true });
  await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'apt.conf'), privateConfiguration);
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State=${join(work, 'state')}`,
    `Dir::State::status=${join(work, 'status')}`,
    `Dir::Cache=${join(work, 'cache')}`,
  ].flatMap((option) => ['-o', option]);
  const aptGet = ['apt-get', '-q', `--config-file=${join(work, 'apt.conf')}`, ...options];
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
