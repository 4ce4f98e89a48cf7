import { failureOf } from '@hephy/core';
import { expect, test } from 'vitest';
import { lastWordsOf, readLastWords } from './last-words.ts';

test('what is said last is read as it was meant', () => {
  const failures = [
    failureOf('SourceUnavailable', { detail: 'the server answered 500: again' }),
    failureOf('DiskFull'),
    failureOf('SourceTooLarge', { detail: 'ß'.repeat(600) }),
  ];
  for (const failure of failures) {
    const words = lastWordsOf(failure);
    expect(Buffer.byteLength(words)).toBeLessThan(4096);
    expect(words).not.toContain('\n');
    expect(readLastWords(`${words}\n`)).toEqual(failure);
  }
});

test('other words are nobody’s', () => {
  for (const words of [
    '',
    'sha256:abc',
    'toString: x',
    'Error: cannot find module',
    'exec format',
  ]) {
    expect(readLastWords(words)).toBeUndefined();
  }
});
