import { expect, test } from 'vitest';
import { createClusterClock } from './cluster-clock.ts';

test('the cluster’s clock is ours until an answer tells another, and runs on like ours', () => {
  let nowMs = Date.parse('2026-01-01T12:00:00Z');
  const clock = createClusterClock(() => new Date(nowMs));
  for (const nothing of [undefined, 'soon']) {
    clock.hear(nothing);
    expect(clock.now().getTime()).toBe(nowMs);
  }
  clock.hear('Thu, 01 Jan 2026 11:00:00 GMT');
  nowMs += 5_000;
  expect(clock.now().toISOString()).toBe('2026-01-01T11:00:05.000Z');
  clock.hear('Thu, 01 Jan 2026 13:00:00 GMT');
  expect(clock.now().toISOString()).toBe('2026-01-01T13:00:00.000Z');
});
