import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Runs `npm ci` unless node_modules was made from this very package-lock.json.
 * @param {string} root
 * @param {(sentence: string) => void} say
 * @returns {string | undefined} why it could not be done */
export function installNpmPackages(root, say) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  const stamp = join(root, 'node_modules', '.hephy-setup');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return undefined;

  say('installing npm packages (npm ci) …');
  const { status, error, signal } = spawnSync(
    'npm',
    ['ci', '--loglevel=error', '--prefer-offline'],
    {
      cwd: root,
      env: { ...process.env, PATH: pathWithout(join(root, 'node_modules', '.bin')) },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 20 * 60_000,
    },
  );
  if (status !== 0) {
    const why = error?.message ?? (signal ? `ended by ${signal}` : `exited ${status}`);
    return `npm ci did not succeed (${why}); see npm's words above, then try again.`;
  }
  prepareCache(root, say);
  writeFileSync(stamp, wanted);
  return undefined;
}

/** Without it the first start takes some seconds longer; so a failure is no reason to stop.
 * @param {string} root
 * @param {(sentence: string) => void} say */
function prepareCache(root, say) {
  say('preparing an empty database …');
  const node = join(root, 'node_modules', '.bin', 'node');
  const script = join(root, 'apps', 'cli', 'src', 'prepare-cache.ts');
  spawnSync(node, [script], { stdio: ['ignore', 'inherit', 'inherit'], timeout: 120_000 });
}

/** npm ci removes node_modules, and with it the Node that npm scripts run on.
 * @param {string} folder */
function pathWithout(folder) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((one) => one !== folder).join(delimiter);
}
