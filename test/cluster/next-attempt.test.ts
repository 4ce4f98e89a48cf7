/** An attempt that failed for want of something, and the next one, which is given it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runGitClient } from '../parts/git-client.ts';
import { showLogOnFailure } from '../parts/hephy.ts';
import { startHephyOn, type HephyOnCluster } from './hephy-on-cluster.ts';
import { startCluster, type Cluster } from './start-cluster.ts';

let cluster: Cluster;
let hephy: HephyOnCluster;
beforeAll(async () => {
  cluster = await startCluster({ arm64: false });
  hephy = await startHephyOn(cluster, { HEPHY_BUILDER_MEMORY: '256Mi' });
});
afterAll(async () => {
  await hephy?.close();
  await cluster?.stop();
});
showLogOnFailure(() => hephy);

/** `dd` holds one block in memory. */
async function pushThatNeeds(app: string, megabytes: number) {
  const tree = await hephy.createApp(app, { platforms: ['linux/amd64'] });
  const step = `dd if=/dev/zero of=/dev/null bs=${megabytes}M count=1`;
  await tree.commit({ Dockerfile: `FROM ${cluster.images.base}\nRUN ${step}\n` });
  return runGitClient(['push', 'deis', 'main'], { cwd: tree.path });
}

test('a build that runs out of memory is tried once more with half as much again', async () => {
  const pushed = await pushThatNeeds('hungry', 300);
  expect(pushed.stderr).toMatch(/ran out of memory/);
  expect(pushed.exitCode).toBe(0);
});

test('a build that needs more than that fails by its name after two attempts', async () => {
  const pushed = await pushThatNeeds('greedy', 500);
  expect(pushed.stderr).toContain('main -> main (linux/amd64 ran out of memory');
  expect(pushed.stderr.match(/ran out of memory/g)?.length).toBeGreaterThan(1);
  expect(pushed.stderr).not.toContain('attempt 3');
});
