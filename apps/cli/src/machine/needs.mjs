// What this product needs from the machine, once, for the setup script, `hephy doctor` and the image.
// Plain JavaScript with node: imports alone: the setup script reads it before npm packages exist.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** `run` is `npm start` and `npm run demo`, `test` is `npm test`, `cluster` is its tests on Kubernetes, `image` is what
 * our image has.
 * @typedef {'run' | 'test' | 'cluster' | 'image'} SetupMode */

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
    modes: ['run', 'test', 'cluster'],
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
    modes: ['test', 'cluster'],
  },
  {
    name: 'containerd',
    purpose: 'run pods',
    debianPackage: 'containerd',
    anyOf: ['containerd'],
    modes: ['cluster'],
    service: 'containerd',
  },
  {
    name: 'runc',
    purpose: 'start the containers of pods',
    debianPackage: 'runc',
    anyOf: ['runc'],
    modes: ['cluster'],
  },
  {
    name: 'CNI plugins',
    purpose: 'connect pods',
    debianPackage: 'containernetworking-plugins',
    anyOf: ['/usr/lib/cni/bridge'],
    modes: ['cluster'],
  },
  {
    name: 'iproute2',
    purpose: 'connect pods',
    debianPackage: 'iproute2',
    anyOf: ['ip'],
    modes: ['cluster'],
  },
  {
    name: 'iptables',
    purpose: 'let pods reach Services',
    debianPackage: 'iptables',
    anyOf: ['iptables'],
    modes: ['cluster'],
  },
  {
    name: 'OpenSSL',
    purpose: 'make certificates of a cluster',
    debianPackage: 'openssl',
    anyOf: ['openssl'],
    modes: ['cluster'],
  },
  {
    name: 'mount',
    purpose: 'clean up after pods',
    debianPackage: 'mount',
    anyOf: ['umount'],
    modes: ['cluster'],
  },
  {
    name: 'flock',
    purpose: 'start one cluster at a time',
    debianPackage: 'util-linux',
    anyOf: ['flock'],
    modes: ['cluster'],
  },
  {
    name: 'QEMU',
    purpose: 'run the arm64 node',
    debianPackage: 'qemu-system-arm',
    anyOf: ['qemu-system-aarch64'],
    modes: ['cluster'],
  },
  {
    name: 'qemu-img',
    purpose: "make the arm64 node's disk",
    debianPackage: 'qemu-utils',
    anyOf: ['qemu-img'],
    modes: ['cluster'],
  },
  {
    name: 'mke2fs',
    purpose: "make the arm64 node's disk",
    debianPackage: 'e2fsprogs',
    anyOf: ['mke2fs'],
    modes: ['cluster'],
  },
  {
    name: 'depmod',
    purpose: "list the arm64 node's modules",
    debianPackage: 'kmod',
    anyOf: ['depmod'],
    modes: ['cluster'],
  },
  {
    name: 'cpio',
    purpose: 'start the arm64 node',
    debianPackage: 'cpio',
    anyOf: ['cpio'],
    modes: ['cluster'],
  },
];

/** The needs of a mode, for root or for another user.
 * @param {SetupMode} mode
 * @param {{ isRoot: boolean }} user */
export function needsOf(mode, { isRoot }) {
  return machineNeeds.filter((need) => need.modes.includes(mode) && !(need.withoutRoot && isRoot));
}

/** What no package of this machine gives a cluster for tests, in sentences: only root may start its nodes, and Go builds
 * Kubernetes.
 * @param {{ isRoot: boolean, searchPath: string }} machine */
export function whyNoCluster({ isRoot, searchPath }) {
  const go = { name: 'Go', purpose: '', debianPackage: 'golang', anyOf: ['go'], modes: [] };
  return [
    ...(isRoot ? [] : ['only root may start its nodes: run the tests as root']),
    ...(findNeed(go, { searchPath })
      ? []
      : ['Go builds Kubernetes: install Go 1.26 or newer from https://go.dev/dl']),
  ];
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
