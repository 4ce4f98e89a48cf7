import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const programs = [
  '/bin/dash',
  '/bin/cat',
  '/bin/ls',
  '/bin/ln',
  '/bin/sleep',
  '/usr/bin/setsid',
  '/usr/bin/seq',
];

/** Pushes an image with a shell and a few programs of this machine, for Dockerfiles with RUN; no hub is needed. */
export async function pushShellBase(reference: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hephy-shell-base-'));
  try {
    const root = path.join(folder, 'root');
    for (const program of programs) await addProgram(program, root);
    await symlink('dash', path.join(root, 'bin/sh'));
    await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY root /\n');
    const buildah = [`--root=${folder}/storage`, `--runroot=${folder}/run`];
    await run(['buildah', ...buildah, 'build', '--isolation=chroot', `--tag=${reference}`, folder]);
    await run(['buildah', ...buildah, 'push', '--tls-verify=false', reference]);
  } finally {
    await removeStorage(folder);
  }
}

/** Without root, images hold files of users whom only buildah's user namespace may touch. */
export async function removeStorage(folder: string): Promise<void> {
  if (process.getuid?.() === 0) await rm(folder, { recursive: true, force: true });
  else await run(['buildah', 'unshare', 'rm', '-rf', '--', folder]);
}

/** Copies the program to /bin and the libraries that it needs to where it looks for them. */
async function addProgram(program: string, root: string): Promise<void> {
  const { stdout } = await promisify(execFile)('ldd', [program]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, library]) => library ?? '');
  await copy(program, path.join(root, 'bin', path.basename(program)));
  for (const library of libraries) await copy(library, path.join(root, library));
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await cp(await realpath(from), to);
}

async function run([program = '', ...rest]: string[]): Promise<void> {
  const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 });
  let complaint = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complaint}`);
}
