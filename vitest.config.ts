import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

/** Needs a cluster, which is started for it: Kubernetes is built from its sources the first time. */
const onCluster = ['test/cluster/**/*.test.ts', 'packages/**/*.cluster.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 4,
    // As in bin/hephy.
    execArgv: ['--wasm-tiering-budget=100000000'],
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'machine',
          // Two hundred processes, each with its own copy of everything, are a tenth of the time.
          isolate: false,
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
