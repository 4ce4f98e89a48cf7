import { expect, test } from 'vitest';
import { describeFailure, Failure, failureOf, isRetried, reasons, type Reason } from './reasons.ts';

const names = Object.keys(reasons) as Reason[];

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

test.each(names)(
  '%s is one sentence that fits a ref line, with its detail at the end',
  (reason) => {
    const failure = failureOf(reason, { platform: 'linux/arm64', detail: 'node arm-1' });
    expect(describeFailure(failure)).toMatch(/^\S[^\n]*[^.]: node arm-1$/);
    expect(describeFailure(failureOf(reason))).toMatch(/^\S[^\n]*[^.\s:]$/);
  },
);

test.each<[Reason, string]>([
  ['NodesUnavailable', 'no node takes the linux/arm64 builder'],
  ['ImagePullFailed', 'linux/arm64 builder image cannot be pulled'],
  ['Evicted', 'linux/arm64 builder had to leave its node'],
  ['OutOfMemory', 'linux/arm64 ran out of memory'],
  ['BaseImageUnavailable', 'linux/arm64 base image cannot be used'],
  ['QuotaExceeded', 'no room for the linux/arm64 builder in the quota'],
])('%s names the platform', (reason, sentence) => {
  expect(describeFailure(failureOf(reason, { platform: 'linux/arm64' }))).toBe(sentence);
});

test('what only a person can change is not tried again', () => {
  const once: readonly Reason[] = [
    'AdmissionRefused',
    'BaseImageUnavailable',
    'BuildFailed',
    'BuilderMissing',
    'DiskFull',
    'NodesUnavailable',
    'DockerfileInvalid',
    'OptionUnsupported',
    'PlatformNotNative',
    'PlatformUnsupported',
    'TimeLimitExceeded',
  ];
  expect(once.filter((reason) => isRetried(failureOf(reason)))).toEqual([]);
});

test('what a cluster or a registry does to a builder is tried again', () => {
  const again: readonly Reason[] = [
    'Http2Failed',
    'BuilderConflict',
    'BuilderLost',
    'BuilderNotStarted',
    'ClusterUnavailable',
    'Evicted',
    'ImagePullFailed',
    'NodeLost',
    'OutOfMemory',
    'QuotaExceeded',
  ];
  expect(again.filter((reason) => !isRetried(failureOf(reason)))).toEqual([]);
});
