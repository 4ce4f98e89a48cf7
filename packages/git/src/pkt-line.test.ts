import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPktLineReader, encodePktLine, flushPkt, maxPktLineBytes } from './pkt-line.ts';
import type { PktLineReader, PktLineStep } from './pkt-line.ts';

function readAll(reader: PktLineReader): PktLineStep[] {
  const steps: PktLineStep[] = [];
  for (let step = reader.next(); step.kind === 'packet'; step = reader.next()) steps.push(step);
  return steps;
}

test('packets come back as they were written, however the bytes are cut', () => {
  const packet = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 20 }),
      fc.infiniteStream(fc.nat(50)),
      (sent, cuts) => {
        const bytes = Buffer.concat([...sent.map((one) => encodePktLine(one)), flushPkt]);
        const reader = createPktLineReader();
        const steps: PktLineStep[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = 1 + (cuts.next().value ?? 0);
          reader.push(bytes.subarray(at, at + size));
          steps.push(...readAll(reader));
          at += size;
        }
        expect(steps).toEqual([
          ...sent.map((one) => ({
            kind: 'packet',
            packet: { kind: 'data', bytes: Buffer.from(one) },
          })),
          { kind: 'packet', packet: { kind: 'flush' } },
        ]);
        expect(reader.consumedBytes).toBe(bytes.length);
      },
    ),
  );
});

test('random bytes end in packets, in a wish for more, or in a refusal that stays', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      const reader = createPktLineReader();
      reader.push(bytes);
      readAll(reader);
      const last = reader.next();
      expect(last.kind).not.toBe('packet');
      expect(reader.next()).toEqual(last);
    }),
  );
});

test('the longest packet has 65520 bytes', () => {
  const longest = encodePktLine(new Uint8Array(maxPktLineBytes - 4));
  expect(longest.subarray(0, 4).toString()).toBe('fff0');
  expect(() => encodePktLine(new Uint8Array(maxPktLineBytes - 3))).toThrow('cannot hold');
  const reader = createPktLineReader();
  reader.push(Buffer.from('fff1'));
  expect(reader.next()).toEqual({
    kind: 'malformed',
    message: 'a packet says that it has 65521 bytes',
  });
});

test.each(['0001', '0002', '0003', 'zzzz', ' 12a', '-001', '0x10'])(
  'a packet that starts with %s is malformed',
  (start) => {
    const reader = createPktLineReader();
    reader.push(Buffer.from(start));
    expect(reader.next().kind).toBe('malformed');
  },
);
