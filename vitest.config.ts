import { configDefaults, defineConfig } from 'vitest/config';

/** Needs a cluster, which is started for it: Kubernetes is built from its sources the first time. */
const onCluster = ['test/cluster/**/*.test.ts', 'packages/**/*.cluster.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
    reporters: ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'machine',
          include: ['packages/**/*.test.ts', 'apps/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...onCluster],
        },
      },
      {
        extends: true,
        test: {
          name: 'cluster',
          include: onCluster,
          hookTimeout: 60 * 60_000,
          testTimeout: 240_000,
        },
      },
    ],
  },
});
