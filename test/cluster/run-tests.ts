/** The tests on Kubernetes, where this machine can run them; in CI it has to. Arguments go to vitest. */
import { spawnSync } from 'node:child_process';
import { missingForCluster } from './needs.ts';

const missing = missingForCluster();
if (missing.length > 0) {
  process.stderr.write(`the tests on Kubernetes are left out: ${missing.join('; ')}\n`);
  process.exitCode = process.env['CI'] === 'true' ? 1 : 0;
} else {
  const words = ['run', '--project', 'cluster', '--maxWorkers=3', ...process.argv.slice(2)];
  const { status } = spawnSync('vitest', words, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
