import { spawnSync } from 'node:child_process';
import { findNeed, installCommand, needsOf } from '../apps/cli/src/machine/needs.mjs';

/** @typedef {import('../apps/cli/src/machine/needs.mjs').MachineNeed} MachineNeed */
/** @typedef {import('../apps/cli/src/machine/needs.mjs').SetupMode} SetupMode */

const aptGetCommand =
  'env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300'.split(' ');
const isRoot = process.getuid?.() === 0;
const searchPath = process.env.PATH ?? '';

/** Installs the Debian packages of what this machine lacks.
 * @param {SetupMode} mode
 * @param {(sentence: string) => void} say
 * @returns {string | undefined} why it could not be done, and what to do */
export function installDebianPackages(mode, say) {
  const missing = missingNeeds(mode);
  if (missing.length === 0) return undefined;

  if (!hasCommand('apt-get')) {
    const list = missing.map((need) => `  ${need.name}, to ${need.purpose}`).join('\n');
    return `This machine lacks:\n${list}\nInstall them with its package manager, or run: docker compose up`;
  }
  const privilege = findPrivilege();
  if (privilege === undefined) {
    return `This machine lacks some Debian packages. Install them with:\n\n  ${installCommand(missing)}\n`;
  }
  return install(missing, privilege, say) ?? stillMissing(mode);
}

/** @param {SetupMode} mode */
function missingNeeds(mode) {
  return needsOf(mode, { isRoot }).filter((need) => findNeed(need, { searchPath }) === undefined);
}

/** @param {SetupMode} mode */
function stillMissing(mode) {
  const names = missingNeeds(mode).map((need) => `${need.name} (${need.anyOf.join(' or ')})`);
  return names.length === 0
    ? undefined
    : `apt-get succeeded, yet this is not found on PATH: ${names.join(', ')}.`;
}

/** The words before a command that make it run as root, or undefined when there are none.
 * @returns {readonly string[] | undefined} */
function findPrivilege() {
  if (isRoot) return [];
  if (!hasCommand('sudo')) return undefined;
  if (spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n'];
  return process.stdin.isTTY ? ['sudo'] : undefined;
}

/** @param {readonly MachineNeed[]} needs
 * @param {readonly string[]} privilege
 * @param {(sentence: string) => void} say */
function install(needs, privilege, say) {
  const packages = needs.map((need) => need.debianPackage);
  const aptGet = (/** @type {readonly string[]} */ args) =>
    run([...privilege, ...aptGetCommand, ...args]);
  const installPackages = () => aptGet(['install', '--no-install-recommends', ...packages]);

  say(`installing Debian packages: ${packages.join(', ')} …`);
  // The first try fails on old or empty package lists, which only then are worth their download.
  let result = installPackages();
  if (!result.ok) {
    const update = aptGet(['update']);
    result = installPackages();
    if (!result.ok) {
      return `apt-get did not succeed:\n${update.ok ? '' : update.lastLines}${result.lastLines}\nTry by hand:\n\n  ${installCommand(needs)}\n`;
    }
  }
  stopServices(needs, privilege, say);
  return undefined;
}

/** Debian starts a service with its package, and at every boot. We start our own copies on private
 * ports, so what came along just now is stopped and disabled; what was there before is not touched.
 * @param {readonly MachineNeed[]} needs
 * @param {readonly string[]} privilege
 * @param {(sentence: string) => void} say */
function stopServices(needs, privilege, say) {
  const services = needs.flatMap((need) => need.service ?? []);
  if (services.length === 0) return;
  for (const service of services) {
    run([...privilege, 'service', service, 'stop']);
    run([...privilege, 'update-rc.d', service, 'disable']);
  }
  say(`stopped and disabled the system services that came along: ${services.join(', ')}`);
}

/** @param {readonly string[]} command */
function run([name = '', ...args]) {
  const { status, error, stdout, stderr } = spawnSync(name, args, {
    // sudo asks for a password on the terminal itself.
    stdio: ['inherit', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 20 * 60_000,
  });
  const words = error === undefined ? `${stdout}${stderr}` : `${error.message}\n`;
  return { ok: status === 0, lastLines: words.split('\n').slice(-12).join('\n') };
}

/** @param {string} name */
function hasCommand(name) {
  const need = { name, purpose: '', debianPackage: name, anyOf: [name], modes: [] };
  return findNeed(need, { searchPath }) !== undefined;
}
