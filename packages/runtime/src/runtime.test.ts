import { expect, test, vi } from 'vitest';
import { createHealth } from './create-health.ts';
import { createIds } from './create-ids.ts';
import { repeat } from './repeat.ts';

test('ids are ULIDs that sort in the order they were made, also within a millisecond and with a clock that goes back', () => {
  const times = [1000, 1000, 1000, 999, 1001];
  const next = createIds({ now: () => new Date(times.shift() ?? 0), random: () => 0.5 });
  const ids = [next(), next(), next(), next(), next()];
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(5);
  expect(ids[0]).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test('a repeated callback does not overlap itself, goes on after an error, and ends when told', async () => {
  const errors: unknown[] = [];
  let atWork = 0;
  let calls = 0;
  const end = repeat(
    1,
    async () => {
      calls += 1;
      atWork += 1;
      expect(atWork).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 5));
      atWork -= 1;
      if (calls === 1) throw new Error('once');
    },
    (error) => void errors.push(error),
  );
  await vi.waitFor(() => expect(calls).toBeGreaterThan(3), { timeout: 20_000 });
  end();
  expect(errors.map(String)).toEqual(['Error: once']);
});

test('a process is ready while what it needs is well, and says what is not', async () => {
  let now = 0;
  let bucketIsUp = true;
  const stopping = new AbortController();
  const health = createHealth({
    stopping: stopping.signal,
    now: () => new Date(now),
    boundMs: 100,
  });
  health.add('bucket', () => {
    if (!bucketIsUp) throw new Error('the bucket is away');
  });
  health.add('redis', () => Promise.reject(new Error('Redis is away')), { needed: false });
  const redis = 'Redis is away';
  expect(await health.ready()).toEqual({ ok: true, checks: { bucket: 'ok', redis } });
  bucketIsUp = false;
  expect(await health.ready()).toMatchObject({ ok: true });
  now = 1_000;
  health.add('database', () => new Promise(() => {}));
  expect(await health.ready()).toEqual({
    ok: false,
    checks: { bucket: 'the bucket is away', redis, database: 'no answer within 100 ms' },
  });
  expect(health.live()).toMatchObject({ ok: true });
  stopping.abort();
  expect(await health.ready()).toMatchObject({ ok: false });
});
