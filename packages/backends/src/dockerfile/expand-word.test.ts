import { expect, test } from 'vitest';
import { expandWord } from './expand-word.ts';

const values: Readonly<Record<string, string>> = { A: 'alpha', EMPTY: '' };
const expand = (word: string) =>
  expandWord(word, (name) => (name === 'OTHERS' ? null : values[name]));

// What moby/buildkit 0.30 makes of the same words.
test.each([
  ['debian:12', 'debian:12'],
  ['$A:1', 'alpha:1'],
  ['${A}b', 'alphab'],
  ['$NONE', ''],
  ['${EMPTY:-d}', 'd'],
  ['${EMPTY-d}', ''],
  ['${NONE-d}', 'd'],
  ['${NONE:-$A}', 'alpha'],
  ['${NONE:-"q r"}', 'q r'],
  ['${A:+yes}', 'yes'],
  ['${EMPTY:+yes}', ''],
  ['${EMPTY+yes}', 'yes'],
  ['${A:?needed}', 'alpha'],
  ['"$A"', 'alpha'],
  ["'$A'", '$A'],
  ['\\$A', '$A'],
  ['"\\$A\\q"', '$A\\q'],
  ['a$', 'a$'],
])('%s is %s', (word, expanded) => {
  expect(expand(word)).toBe(expanded);
});

test.each([
  '${A#al}',
  '${A/l/x}',
  '${NONE:?needed}',
  '$1',
  '${',
  '${}',
  '${A',
  '"a',
  "'a",
  '$OTHERS',
])('%s cannot be told', (word) => {
  expect(expand(word)).toBeUndefined();
});
