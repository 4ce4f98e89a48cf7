/** A worker process whose platform builds never end: it says `started` and waits to be killed. Argument: the socket. */
import { connectRedis, startQueueWorkers } from '@hephy/queue';

const [, , socketPath = ''] = process.argv;
const onError = (error: unknown): void => void process.stderr.write(`${String(error)}\n`);

startQueueWorkers({
  connection: connectRedis({ socketPath }, 'worker', onError),
  handlers: {
    advance: () => Promise.resolve(),
    step: () => {
      process.stdout.write('started\n');
      return new Promise(() => {});
    },
  },
  kinds: ['platform'],
  concurrency: {},
  onError,
});
