import { reasons } from '@hephy/core';
import { expect, test } from 'vitest';
import { explainKanikoLog } from './kaniko-log.ts';
import { diskLogs, said, step, stepLogs } from './kaniko-build-logs-for-test.ts';
import { otherLogs, pullLogs, push, pushLogs } from './kaniko-registry-logs-for-test.ts';

const corpus = [...stepLogs, ...diskLogs, ...pullLogs, ...pushLogs, ...otherLogs];

test.each(corpus)('%s: %s', (_, log, { reason, exitCode, detail = '' }) => {
  const explained = explainKanikoLog(log);
  expect({ reason: explained?.reason, exitCode: explained?.exitCode }).toEqual({
    reason,
    exitCode,
  });
  expect(explained?.detail ?? '').toMatch(detail);
});

test('the corpus holds failures of each class that a builder can have', () => {
  expect(corpus.length).toBeGreaterThanOrEqual(60);
  const classes = new Set(corpus.map(([, , { reason }]) => reasons[reason].class));
  expect(classes).toEqual(new Set(['user', 'infrastructure', 'registry', 'internal']));
});

test('a log without an ending tells nothing', () => {
  expect(explainKanikoLog('')).toBeUndefined();
  expect(
    explainKanikoLog(`${said('RUN make')}\nError: make failed\npanic: mine\n`),
  ).toBeUndefined();
});

test('a layer that the cache did not take is not why the build failed', () => {
  const warning = said(`Error uploading layer to cache: ${push}DENIED: no`, 'warning');
  const log = `${warning}\n${said('RUN false')}\n${step}waiting for process to exit: exit status 1`;
  expect(explainKanikoLog(log)).toEqual({
    reason: 'BuildFailed',
    exitCode: 1,
    detail: 'RUN false',
  });
});

test("kaniko's last words are found behind a step's that end no line", () => {
  const log = `${said('RUN printf x; exit 4')}\nx${step}waiting for process to exit: exit status 4`;
  expect(explainKanikoLog(log)).toMatchObject({ exitCode: 4, detail: 'RUN printf x; exit 4' });
});

test('what a step prints is not taken for the end that comes after it', () => {
  const log = `${push}UNAUTHORIZED: no\n${step}waiting for process to exit: exit status 2`;
  expect(explainKanikoLog(log)).toEqual({ reason: 'BuildFailed', exitCode: 2 });
});

test('a log made to be slow or to break the reader is read all the same', () => {
  const torn = `time="x" level=info msg="RUN \\UFFFFFFFF \\x1b[31m"\n`;
  const log = `${torn.repeat(5000)}${'time="'.repeat(20_000)}\n${' from remapped registry a: b'.repeat(5000)}\n${step}waiting for process to exit: exit status 1`;
  const started = performance.now();
  expect(explainKanikoLog(log)).toMatchObject({ reason: 'BuildFailed', exitCode: 1 });
  expect(performance.now() - started).toBeLessThan(2000);
  expect(explainKanikoLog(`${torn}${step}waiting for process to exit: exit status 1`)?.detail).toBe(
    'RUN UFFFFFFFF [31m',
  );
});
