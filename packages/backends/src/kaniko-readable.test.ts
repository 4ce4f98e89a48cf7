import { expect, test } from 'vitest';
import { readableKanikoLog } from './kaniko-readable.ts';

const at = 'time="2026-11-22T09:43:58Z" ';

test.each([
  ['level=info msg="Running: [/bin/sh -c echo \\"a\\"]"', 'Running: [/bin/sh -c echo "a"]'],
  ['level=info msg=Done', 'Done'],
  ['level=warning msg="no cache"', 'warning: no cache'],
  ['level=error msg="said" error="a b"', 'error: said'],
  ['level=info msg="two\\nlines"', 'two lines'],
])('%s', (line, readable) => {
  expect(readableKanikoLog(`${at}${line}\n`)).toBe(`${readable}\n`);
});

test.each([
  'what a step prints\n',
  '  time="x" level=info msg="of a step"\n',
  `${at}level=info msg="go's \\x07"\n`,
  `${at}level=info msg="cut off\n`,
])('is left as it is: %j', (line) => {
  expect(readableKanikoLog(line)).toBe(line);
});

test('each of several lines', () => {
  const lines = `${at}level=info msg="RUN make"\nmake: done\n${at}level=info msg="COPY . ."\n`;
  expect(readableKanikoLog(lines)).toBe('RUN make\nmake: done\nCOPY . .\n');
});
