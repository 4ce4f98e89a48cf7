import { expect, it } from 'vitest';
import { formatDuration } from './duration.ts';

it.each([
  [0, '0 ms'],
  [-5, '0 ms'],
  [340, '340 ms'],
  [999, '999 ms'],
  [1_000, '1.0 s'],
  [12_340, '12.3 s'],
  [59_949, '59.9 s'],
  [59_950, '1m 00s'],
  [150_000, '2m 30s'],
  [3_599_499, '59m 59s'],
  [3_599_500, '1h 00m'],
  [3_900_000, '1h 05m'],
])('%d ms reads %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});
