import { describe, expect, it } from 'vitest';
import { printable, renderEntry, type BuildEvent, type OutputEntry } from './output.ts';
import { at } from './record-for-test.ts';

const labels = new Map([['linux/arm64', 'arm64']]);

function told(event: BuildEvent): string[] {
  return renderEntry({ seq: 1, at: at(0), kind: 'event', event }, labels);
}

function logged(text: string, platform = 'linux/arm64'): string[] {
  const entry: OutputEntry = { seq: 1, at: at(0), kind: 'log', image: 'web', platform, text };
  return renderEntry(entry, labels);
}

describe('a line of a builder', () => {
  it('stands behind the label of its platform, away from the margin', () => {
    expect(logged('STEP 1\n-----> Releasing shop v9\n')).toEqual([
      '       [arm64] STEP 1',
      '       [arm64] -----> Releasing shop v9',
    ]);
    expect(logged('x\n', 'linux/s390x')).toEqual(['       [linux/s390x] x']);
  });

  it('keeps tabs and every script, and loses what moves a cursor or hides text', () => {
    expect(printable('a\tb äöü 漢字 🙂')).toBe('a\tb äöü 漢字 🙂');
    expect(printable('\u001b[31mred\u001b[0m \u001b]0;title\u0007text\u001bM')).toBe('red text');
    expect(printable('a\b\b\u0000b\u009bc\u007f')).toBe('abc');
  });

  it('loses what would reorder it or break it in two', () => {
    expect(printable('a\u202eb\u2066c\u2028d\u2029e')).toBe('abcde');
  });

  it('shows the last state of a progress bar', () => {
    expect(printable('10%\r50%\r100%')).toBe('100%');
    expect(printable('done\r')).toBe('done');
    expect(printable('\r')).toBe('');
  });

  it('is cut where nobody reads on', () => {
    const line = printable('x'.repeat(100_000));
    expect(line.length).toBeLessThan(8_300);
    expect(line).toMatch(/x \[line cut\]$/);
  });
});

describe('an event', () => {
  it('says what was asked for, in which order it goes on, and what came of it', () => {
    const sha = 'abcdef01'.repeat(5);
    const platforms = ['linux/amd64', 'linux/arm64'];
    const done = { platform: 'linux/arm64', image: 'web', attempt: 1, durationMs: 12_300 };
    const failure = { reason: 'BuildFailed', exitCode: 7 } as const;
    const events: BuildEvent[] = [
      { type: 'build.queued', number: 42, appName: 'shop', sha, platforms },
      { type: 'preflight.warning', message: 'no native \u001b[1mnode' },
      { type: 'build.state', state: 'building' },
      { type: 'platform.started', platform: 'linux/arm64', image: 'web', attempt: 1 },
      { type: 'platform.finished', ...done, state: 'failed', failure: { reason: 'BuilderLost' } },
      { type: 'work.retried', what: 'web linux/arm64', attempt: 2, failure },
      { type: 'platform.started', platform: 'linux/arm64', image: 'web', attempt: 2 },
      { type: 'platform.finished', ...done, state: 'succeeded', digest: 'sha256:1' },
      { type: 'build.state', state: 'publishing' },
      { type: 'release.created', version: 3, appName: 'shop' },
      { type: 'delivery.finished', deliveryId: 'd1', status: 204 },
      { type: 'build.state', state: 'succeeded' },
    ];
    expect(events.flatMap(told)).toEqual([
      '-----> Build 42 of shop (abcdef01) for linux/amd64, linux/arm64',
      '       warning: no native node',
      '-----> Building',
      '       [arm64] failed after 12.3 s: builder vanished without an exit code',
      '       web linux/arm64: exited 7; trying again (attempt 2)',
      '       [arm64] attempt 2',
      '       [arm64] built in 12.3 s',
      '-----> Publishing',
      '-----> Releasing shop v3',
      '       release hook answered 204',
    ]);
  });

  it('names the index by its digest', () => {
    const event: BuildEvent = {
      type: 'publication.finished',
      image: 'web',
      repository: 'registry.test/shop',
      digest: 'sha256:1',
      mediaType: 'application/vnd.oci.image.index.v1+json',
      tags: [],
    };
    expect(told(event)).toEqual(['       registry.test/shop@sha256:1']);
  });

  it('says why it was canceled, on one line', () => {
    expect(told({ type: 'cancel.requested', by: 'anna', reason: 'wrong\nbranch' })).toEqual([
      '-----> Canceling: wrongbranch',
    ]);
  });
});
