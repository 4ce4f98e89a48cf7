import { expect, test } from 'vitest';
import { createPktLineReader } from './pkt-line.ts';
import { oneLineReason, refusalReport } from './report-status.ts';

const refusals = [{ ref: 'refs/heads/main', reason: 'no' }];

test('with a side band, the text and the report each have their band', () => {
  const capabilities = ['report-status-v2', 'side-band-64k'];
  const report = refusalReport({ capabilities, lines: ['-----> héllo'], refusals });
  expect(report.toString()).toBe(
    '0013\u0002-----> héllo\n0031\u0001000eunpack ok\n001ang refs/heads/main no\n00000000',
  );
});

test('without a side band the report stands alone, and without report-status there is none', () => {
  const report = refusalReport({ capabilities: ['report-status'], lines: ['lost'], refusals });
  expect(report.toString()).toBe('000eunpack ok\n001ang refs/heads/main no\n0000');
  expect(refusalReport({ capabilities: [], lines: ['lost'], refusals })).toHaveLength(0);
});

test('long texts are cut into packets that git reads', () => {
  const report = refusalReport({
    capabilities: ['report-status', 'side-band-64k'],
    lines: ['x'.repeat(200_000)],
    refusals,
  });
  const reader = createPktLineReader();
  reader.push(report);
  const kinds: string[] = [];
  for (let step = reader.next(); step.kind === 'packet'; step = reader.next()) {
    kinds.push(step.packet.kind === 'flush' ? 'flush' : `band ${step.packet.bytes[0]}`);
  }
  expect(kinds).toEqual(['band 2', 'band 2', 'band 2', 'band 2', 'band 1', 'flush']);
});

test('a reason is one line without control characters', () => {
  expect(oneLineReason('a\nb\u001b[2Jc\r\n')).toBe('a b [2Jc');
  expect(oneLineReason('')).toBe('refused');
  expect(oneLineReason('é'.repeat(400))).toHaveLength(300);
});
