import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Step } from '@hephy/core';
import { expect, test, vi } from 'vitest';
import { startRedis } from '../../../test/parts/redis.ts';
import { connectRedis, createStepQueue, startQueueWorkers } from './index.ts';

const endlessWorker = fileURLToPath(
  new URL('../../../test/parts/endless-worker.ts', import.meta.url),
);

test('what a killed worker process had at work is given to another one', async () => {
  await using ends = new AsyncDisposableStack();
  const redis = await startRedis();
  ends.defer(() => redis.stop());
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const connect = (role: 'producer' | 'worker') => {
    const connection = connectRedis({ socketPath: redis.socketPath }, role, onError);
    ends.defer(() => connection.close());
    return connection;
  };
  const queue = createStepQueue({
    connection: connect('producer'),
    now: () => new Date(),
    onError,
  });
  ends.defer(() => queue.close());
  const step: Step = { buildId: 'b1', kind: 'platform', name: 'web linux/arm64', attempt: 1 };

  const endless = spawn(process.execPath, [endlessWorker, redis.socketPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  ends.defer(() => void endless.kill('SIGKILL'));
  await queue.addStep(step);
  await once(endless.stdout, 'data');
  const gone = once(endless, 'exit');
  endless.kill('SIGKILL');
  await gone;

  const steps: Step[] = [];
  const workers = startQueueWorkers({
    connection: connect('worker'),
    handlers: {
      advance: async () => {},
      step: async (given) => void steps.push(given),
    },
    kinds: ['platform'],
    concurrency: {},
    onError,
  });
  ends.defer(() => workers.close());
  await vi.waitFor(() => expect(steps).toEqual([step]), { timeout: 55_000, interval: 100 });
  expect(errors).toEqual([]);
});
