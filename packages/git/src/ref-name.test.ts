import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isFullRefName } from './ref-name.ts';

const awkward = ['a', 'B', '0', '/', '.', '..', '-', '@', '@{', '{', '~', '^', ':', '?', '*', '['];
const pieces = [
  ...awkward,
  '\\',
  ' ',
  '\t',
  '\u007f',
  'é',
  '🎡',
  '.lock',
  'lock',
  'x.',
  "'",
  '$',
  ';',
];

test('git itself takes the same names for refs', () => {
  const name = fc
    .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 6 })
    .map((parts) => `refs/heads/${parts.join('')}`);
  for (const ref of fc.sample(name, 150)) {
    const { status } = spawnSync('git', ['check-ref-format', ref]);
    expect({ ref, isTaken: isFullRefName(ref) }).toEqual({ ref, isTaken: status === 0 });
  }
});

test.each([
  '',
  'HEAD',
  'main',
  'heads/main',
  'refs/main',
  'refs/heads/',
  `refs/heads/${'x'.repeat(1024)}`,
])('"%s" is not a full ref name', (ref) => {
  expect(isFullRefName(ref)).toBe(false);
});
