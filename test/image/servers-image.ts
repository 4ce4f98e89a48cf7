/**
 * PostgreSQL and Redis of Debian's packages as one image, for a cluster that reaches no hub: like the images that the
 * chart names, it has their programs on PATH and PostgreSQL's user under the number 999. Made once, for this machine.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultCacheDir } from '../../apps/cli/src/cache-directory.ts';
import { withLock } from '../cluster/lock.ts';
import { run } from '../cluster/run.ts';
import { createBuildah, type Buildah } from './debian-base.ts';

const folder = join(defaultCacheDir(process.env), 'image-test');
const dockerfile = `
FROM scratch
ADD debian.tar /
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STOPSIGNAL SIGINT
`;
const debian = [
  'mmdebstrap',
  '--quiet',
  '--variant=minbase',
  '--include=postgresql-15,redis-server',
  '--customize-hook=chroot "$1" usermod --uid 999 postgres',
  // The package makes a database of its own.
  '--customize-hook=rm -rf "$1/var/lib/postgresql/15"',
  'bookworm',
  'debian.tar',
];

/** Pushes it by plain HTTP to `host:port/repository:tag`. */
export async function pushServersImage(reference: string): Promise<void> {
  const push = ['push', '--quiet', '--tls-verify=false'];
  await mkdir(folder, { recursive: true });
  await withLock(join(folder, 'lock'), async () => {
    const buildah = await createBuildah(folder);
    await buildah([...push, await makeImage(buildah), `docker://${reference}`]);
  });
}

async function makeImage(buildah: Buildah): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([dockerfile, debian]))
    .digest('hex');
  const name = `localhost/hephy-test-servers:${key.slice(0, 12)}`;
  const found = await buildah(['images', '--quiet', '--filter', `reference=${name}`]);
  if (found.trim() !== '') return name;
  const work = await mkdtemp(join(folder, 'servers-'));
  try {
    await run(debian, { cwd: work, timeoutMs: 10 * 60_000 });
    await writeFile(join(work, 'Dockerfile'), dockerfile);
    await buildah(['bud', '--isolation', 'chroot', '--tag', name, work]);
    return name;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
