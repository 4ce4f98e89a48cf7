// Gets this machine ready: `node scripts/setup.mjs run|test|cluster`, before `npm start`, `npm run demo`, `npm test` and
// `npm run cluster`. It runs before any npm package exists, on Node 20 too.
// For tests on Kubernetes it gets Debian packages only where root and Go are: elsewhere these tests are left out.
// It prints nothing when nothing is to do, and one command when it may not do it itself.
import { fileURLToPath } from 'node:url';
import { whyNoCluster } from '../apps/cli/src/machine/needs.mjs';
import { installDebianPackages } from './debian-packages.mjs';
import { installNpmPackages } from './npm-packages.mjs';

const modes = /** @type {const} */ (['run', 'test', 'cluster']);
const mode = modes.find((one) => one === process.argv[2]);
const say = (/** @type {string} */ sentence) => console.log(`setup: ${sentence}`);
const refuse = (/** @type {string} */ sentence) => {
  console.error(sentence);
  process.exit(1);
};

if (Number.parseInt(process.versions.node, 10) < 20) {
  refuse(`Node ${process.versions.node} is too old; install Node 20 or newer and try again.`);
}
if (mode === undefined) {
  refuse(`usage: node scripts/setup.mjs ${modes.join('|')}`);
} else {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const machine = { isRoot: process.getuid?.() === 0, searchPath: process.env.PATH ?? '' };
  const isLeftOut = mode === 'cluster' && whyNoCluster(machine).length > 0;
  const refusal =
    (isLeftOut ? undefined : installDebianPackages(mode, say)) ?? installNpmPackages(root, say);
  if (refusal !== undefined) refuse(refusal);
}
