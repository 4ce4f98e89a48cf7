import { describe, expect, it } from 'vitest';
import { at, platformBuild, publication, recordOf } from './record-for-test.ts';
import { rejection, renderSummary } from './summary.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const done = { startedAt: at(1_000), finishedAt: at(13_300) };
const arm64Failure = { reason: 'BuildFailed', platform: 'linux/arm64', exitCode: 1 } as const;

describe('the end of a push', () => {
  it('is a tree of platforms, the index, and the tags that moved', () => {
    const result = {
      digest,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      sizeBytes: 900,
      children: [],
      tags: [
        { tag: 'git-11111111', moved: true },
        { tag: 'latest', moved: false },
      ],
    };
    const built = { ...done, state: 'succeeded', result: { exitCode: 0, digest } } as const;
    const work = [
      platformBuild('linux/amd64', built),
      platformBuild('linux/arm64', built),
      publication({ state: 'succeeded', result }),
    ];
    const release = { buildId: 'b1', version: 3, createdAt: at(14_000) };
    const record = recordOf({ state: 'succeeded', finishedAt: at(15_000) }, work, release);
    expect(renderSummary(record)).toEqual([
      '-----> Build 42 succeeded in 15.0 s, released as v3',
      '       ├── linux/amd64: succeeded (12.3 s)  sha256:aaaaaaaaaaaa',
      '       ├── linux/arm64: succeeded (12.3 s)  sha256:aaaaaaaaaaaa',
      `       └── index ${digest}`,
      '           registry.test/shop:git-11111111',
    ]);
  });

  it('names the platform that failed, and why', () => {
    const work = [
      platformBuild('linux/amd64', { ...done, state: 'canceled' }),
      platformBuild('linux/arm64', { ...done, state: 'failed', failure: arm64Failure }),
    ];
    const finishedAt = at(15_000);
    const record = recordOf({ state: 'failed', failure: arm64Failure, finishedAt }, work);
    expect(renderSummary(record)).toEqual([
      '-----> Build 42 failed after 15.0 s: linux/arm64 exited 1',
      '       ├── linux/amd64: canceled (12.3 s)',
      '       └── linux/arm64: failed (12.3 s)',
    ]);
  });

  it('says who wanted it to end', () => {
    const cancelRequest = { at: at(0), by: 'anna', reason: 'wrong branch', superseded: false };
    const [head] = renderSummary(recordOf({ state: 'canceled', cancelRequest }));
    expect(head).toBe('-----> Build 42 canceled after 0 ms: wrong branch');
    const newer = { ...cancelRequest, reason: 'anna pushed 01234567', superseded: true };
    const [last] = renderSummary(recordOf({ state: 'superseded', cancelRequest: newer }));
    expect(last).toBe('-----> Build 42 superseded after 0 ms: anna pushed 01234567');
  });
});

describe('the rejection of a ref', () => {
  it('is one line with the reason and the build', () => {
    expect(rejection(recordOf({ state: 'failed', failure: arm64Failure }))).toBe(
      'build failed: linux/arm64 exited 1 (build 42)',
    );
    const failure = { reason: 'PushDenied' } as const;
    expect(rejection(recordOf({ state: 'failed', failure }))).toBe(
      'the registry does not let us push (build 42)',
    );
    const cancelRequest = { at: at(0), by: 'anna', reason: 'wrong branch', superseded: false };
    expect(rejection(recordOf({ state: 'canceled', cancelRequest }))).toBe(
      'canceled: wrong branch (build 42)',
    );
    const newer = { ...cancelRequest, reason: 'anna pushed 01234567', superseded: true };
    expect(rejection(recordOf({ state: 'superseded', cancelRequest: newer }))).toBe(
      'superseded: anna pushed 01234567 (build 42)',
    );
  });
});
