import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const certificates = '/etc/ssl/certs/ca-certificates.crt';
const npmVersion = '11.19.1';
const dockerfile = `
FROM scratch
ADD debian.tar /
ADD npm-${npmVersion}.tgz /usr/local/lib/node_modules/
COPY node /usr/local/bin/node
COPY ca-certificates.crt /usr/local/share/ca-certificates/machine.crt
RUN ln -s ../lib/node_modules/package/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/ca-certificates/machine.crt
`;

export interface Buildah {
  (args: readonly string[]): Promise<string>;
}

/** buildah with storage of its own under `folder`: on overlay where the machine has it, else on vfs. */
export async function createBuildah(folder: string): Promise<Buildah> {
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  const withDriver =
    (driver: string): Buildah =>
    async (args) => {
      const storage = ['--root', join(folder, driver), '--runroot', join(folder, `${driver}-run`)];
      const all = [...storage, '--storage-driver', driver, ...args];
      const options = { env: { ...process.env, TMPDIR: temporary }, maxBuffer: 64 * 1024 * 1024 };
      return (await execute('buildah', all, { ...options, timeout: 10 * 60_000 })).stdout;
    };
  const overlay = withDriver('overlay');
  return overlay(['info']).then(
    () => overlay,
    () => withDriver('vfs'),
  );
}

/** A stand-in for the Dockerfile's base: Debian's packages, this checkout's Node, npm from its package,
 *  and the certificates that this machine trusts. Made once for each set of these, and its name. */
export async function makeDebianBase(buildah: Buildah, folder: string): Promise<string> {
  const trusted = await readFile(certificates);
  const parts = [dockerfile, process.version, trusted];
  const key = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
  const name = `localhost/hephy-test-base:${key}`;
  const found = await buildah(['images', '--quiet', '--filter', `reference=${name}`]);
  if (found.trim() !== '') return name;

  const work = await mkdtemp(join(folder, 'base-'));
  const run = (command: string, args: readonly string[]) =>
    execute(command, args, { cwd: work, timeout: 10 * 60_000 });
  try {
    await run('mmdebstrap', [
      '--quiet',
      '--variant=apt',
      '--include=libstdc++6',
      'bookworm',
      'debian.tar',
    ]);
    await run('npm', ['pack', '--silent', `npm@${npmVersion}`]);
    await copyFile(process.execPath, join(work, 'node'));
    await copyFile(certificates, join(work, 'ca-certificates.crt'));
    await writeFile(join(work, 'Dockerfile'), dockerfile);
    await buildah(['bud', '--isolation', 'chroot', '--tag', name, work]);
    return name;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
