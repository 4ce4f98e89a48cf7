import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import { createShutdown } from './create-shutdown.ts';

function prepare(graceMs = 20_000) {
  const signals = new EventEmitter();
  const exited = Promise.withResolvers<number>();
  const exit = vi.fn<(code: number) => void>(exited.resolve);
  const lines: object[] = [];
  const log = {
    info: (fields: object) => void lines.push(fields),
    error: (fields: object) => void lines.push(fields),
  };
  const clock = { ms: 0 };
  const shutdown = createShutdown({ signals, graceMs, log, exit, now: () => clock.ms });
  return { signals, exit, exited: exited.promise, lines, shutdown, clock };
}

test('SIGTERM closes everything, last added first, one after another, and exits 0', async () => {
  const { signals, exit, exited, shutdown } = prepare();
  const order: string[] = [];
  shutdown.add('database', () => void order.push('database'));
  shutdown.add('workers', async () => {
    order.push(`workers, told: ${shutdown.signal.aborted}`);
    await Promise.resolve();
    order.push('workers ended');
  });
  signals.emit('SIGTERM');
  expect(await exited).toBe(0);
  expect(order).toEqual(['workers, told: true', 'workers ended', 'database']);
  expect(exit).toHaveBeenCalledTimes(1);
});

test('a closer that fails or hangs keeps no other from closing, and the exit code tells', async () => {
  const { signals, exited, lines, shutdown } = prepare(200);
  const closed: string[] = [];
  shutdown.add('database', () => void closed.push('database'));
  shutdown.add('hangs', () => new Promise(() => {}));
  shutdown.add('fails', () => {
    throw new Error('no');
  });
  signals.emit('SIGINT');
  expect(await exited).toBe(1);
  expect(closed).toEqual(['database']);
  expect(lines).toMatchObject([{}, { closer: 'fails' }, { closer: 'hangs' }, {}]);
});

test('what is opened while the stop is under way is closed too', async () => {
  const { signals, exited, shutdown } = prepare();
  const closed: string[] = [];
  shutdown.add('database', () => void closed.push('database'));
  shutdown.add('slow start', () => {
    shutdown.add('child process', () => void closed.push('child process'));
  });
  signals.emit('SIGTERM');
  expect(await exited).toBe(0);
  expect(closed).toEqual(['child process', 'database']);
});

test('a second signal exits at once, but not the echo of the first one', async () => {
  const { signals, exited, exit, shutdown, clock } = prepare();
  shutdown.add('hangs', () => new Promise(() => {}));
  signals.emit('SIGINT');
  clock.ms += 20;
  signals.emit('SIGINT');
  expect(exit).not.toHaveBeenCalled();
  clock.ms += 2_000;
  signals.emit('SIGINT');
  expect(await exited).toBe(1);
});

test('a stop from within keeps its exit code', async () => {
  const { exited, shutdown } = prepare();
  await shutdown.stop('a child has died', 3);
  expect(await exited).toBe(3);
});
