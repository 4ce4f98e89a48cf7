// Makes the root of our image for one architecture: `node scripts/image/main.ts <architecture> <folder>`, in the
// Dockerfile. No program of that architecture runs, so any machine can do it.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { downloadPackages } from './download-packages.ts';
import { settleRoot } from './settle-root.ts';
import { unpackPackages } from './unpack-packages.ts';

const [architecture, folder] = process.argv.slice(2);
if (architecture === undefined || folder === undefined) {
  console.error('usage: node scripts/image/main.ts <architecture> <folder>');
  process.exit(1);
}
const root = resolve(folder);
const work = await mkdtemp(join(tmpdir(), 'hephy-image-'));
try {
  await mkdir(root, { recursive: true });
  const packages = await downloadPackages(architecture, work);
  await unpackPackages(packages, root);
  await settleRoot(root, { localCertificates: '/usr/local/share/ca-certificates' });
  console.log(`${packages.length} Debian packages for ${architecture} are in ${root}`);
} finally {
  await rm(work, { recursive: true, force: true });
}
