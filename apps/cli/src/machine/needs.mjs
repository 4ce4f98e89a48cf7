// What this product needs from the machine, once, for the setup script, `hephy doctor` and the image.
// Plain JavaScript with node: imports alone: the setup script reads it before npm packages exist.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** `run` is `npm start` and `npm run demo`, `test` is `npm test`, `image` is what our image has.
 * @typedef {'run' | 'test' | 'image'} SetupMode */

/** @typedef {object} MachineNeed
 * @property {string} name what people call it
 * @property {string} purpose completes "needed to …"
 * @property {string} debianPackage
 * @property {readonly string[]} anyOf commands looked for on PATH, or absolute paths; one `*` may
 *   stand for a folder's name. One that exists is enough.
 * @property {readonly SetupMode[]} modes
 * @property {boolean} [withoutRoot] needed only by a user who is not root
 * @property {string} [service] the system service that Debian starts with the package */

/** @type {readonly MachineNeed[]} */
export const machineNeeds = [
  {
    name: 'git',
    purpose: 'receive pushes',
    debianPackage: 'git',
    anyOf: ['git'],
    modes: ['run', 'test', 'image'],
  },
  {
    name: 'curl',
    purpose: 'let the git hooks talk to the receiver',
    debianPackage: 'curl',
    anyOf: ['curl'],
    modes: ['run', 'test', 'image'],
  },
  {
    name: 'tar',
    purpose: 'unpack the source of a build',
    debianPackage: 'tar',
    anyOf: ['tar'],
    modes: ['run', 'test', 'image'],
  },
  {
    name: 'CA certificates',
    purpose: 'trust registries over https',
    debianPackage: 'ca-certificates',
    anyOf: ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'],
    modes: ['run', 'test', 'image'],
  },
  {
    name: 'buildah',
    purpose: 'build images on this machine',
    debianPackage: 'buildah',
    anyOf: ['buildah'],
    modes: ['run', 'test', 'image'],
  },
  {
    name: 'newuidmap',
    purpose: 'build images as a user who is not root',
    debianPackage: 'uidmap',
    anyOf: ['newuidmap'],
    modes: ['run', 'test'],
    withoutRoot: true,
  },
  {
    name: 'Redis',
    purpose: 'queue work and carry live output',
    debianPackage: 'redis-server',
    anyOf: ['redis-server'],
    modes: ['run', 'test'],
    service: 'redis-server',
  },
  {
    name: 'registry',
    purpose: 'hold images when no other registry is configured',
    debianPackage: 'docker-registry',
    anyOf: ['docker-registry'],
    modes: ['run', 'test'],
    service: 'docker-registry',
  },
  {
    name: 'PostgreSQL',
    purpose: 'test the record on a real server',
    debianPackage: 'postgresql',
    anyOf: ['/usr/lib/postgresql/*/bin/postgres'],
    modes: ['test'],
    service: 'postgresql',
  },
  {
    name: 'skopeo',
    purpose: 'judge published images independently in the tests',
    debianPackage: 'skopeo',
    anyOf: ['skopeo'],
    modes: ['test'],
  },
  {
    name: 'mmdebstrap',
    purpose: "make the base for the Dockerfile's test",
    debianPackage: 'mmdebstrap',
    anyOf: ['mmdebstrap'],
    modes: ['test'],
  },
];

/** The needs of a mode, for root or for another user.
 * @param {SetupMode} mode
 * @param {{ isRoot: boolean }} user */
export function needsOf(mode, { isRoot }) {
  return machineNeeds.filter((need) => need.modes.includes(mode) && !(need.withoutRoot && isRoot));
}

/** What a plain user's PATH on Debian lacks. */
export const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Where the machine has it, or undefined. `searchPath` is written as in PATH; the system's own
 * folders are searched too.
 * @param {MachineNeed} need
 * @param {{ searchPath: string }} machine
 * @returns {string | undefined} */
export function findNeed(need, { searchPath }) {
  const folders = [...searchPath.split(':').filter(Boolean), ...systemFolders];
  const candidates = need.anyOf.flatMap((name) =>
    name.startsWith('/') ? expand(name) : folders.map((folder) => join(folder, name)),
  );
  return candidates.find((file) => existsSync(file));
}

/** The one command that gets these packages on Debian, for a person to run.
 * @param {readonly MachineNeed[]} needs */
export function installCommand(needs) {
  const packages = needs.map((need) => need.debianPackage).join(' ');
  return `sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${packages}'`;
}

/** @param {string} pattern an absolute path, with at most one part that is `*` */
function expand(pattern) {
  const [before, after] = pattern.split('/*/');
  if (before === undefined || after === undefined) return [pattern];
  if (!existsSync(before)) return [];
  return readdirSync(before).map((name) => join(before, name, after));
}
