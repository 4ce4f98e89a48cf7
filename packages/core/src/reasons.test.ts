import { expect, test } from 'vitest';
import { describeFailure, Failure, failureOf } from './reasons.ts';

test("a stranger's words become one line that no terminal obeys", () => {
  const detail = 'denied\u001b[2J\r\n! [remote rejected] \u009b31m\u202emain';
  const failure = failureOf('PushDenied', { detail });
  expect(failure.detail).toBe('denied [2J ! [remote rejected] 31m main');
  expect(describeFailure(failure)).toContain('denied [2J ! [remote rejected] 31m main');
});

test('a detail of any length is kept within its bound', () => {
  expect(Failure.safeParse(failureOf('InternalError', { detail: 'x '.repeat(9999) })).success).toBe(
    true,
  );
});
