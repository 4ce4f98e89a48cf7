/** The tests on Kubernetes, where this machine can run them; in CI it has to. Arguments go to vitest. */
import { spawnSync } from 'node:child_process';
import { missingForCluster } from './needs.ts';
import { buildTools } from './tools.ts';

const missing = missingForCluster();
if (missing.length > 0) {
  process.stderr.write(`the tests on Kubernetes are left out: ${missing.join('; ')}\n`);
  process.exitCode = process.env['CI'] === 'true' ? 1 : 0;
} else {
  const asked = process.argv.slice(2);
  if (asked.length === 0) await buildTools((sentence) => process.stderr.write(`${sentence}\n`));
  const words = ['run', '--project', 'cluster', '--maxWorkers=4', ...asked];
  const { status } = spawnSync('vitest', words, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
