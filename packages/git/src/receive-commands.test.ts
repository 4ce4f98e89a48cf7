import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodePktLine, flushPkt } from './pkt-line.ts';
import { createReceiveRequestReader, parseReceiveCommands, zeroSha } from './receive-commands.ts';

const sha = (digit: string): string => digit.repeat(40);
const line = (ref: string, capabilities = ''): Buffer =>
  encodePktLine(`${zeroSha} ${sha('a')} ${ref}${capabilities && `\0${capabilities}`}`);

test('a whole request is read: shallow lines, commands, capabilities, push options', () => {
  const bytes = Buffer.concat([
    encodePktLine(`shallow ${sha('b')}\n`),
    line('refs/heads/v200-rc', ' report-status push-options object-format=sha1 agent=git/2.39'),
    line('refs/tags/v1'),
    flushPkt,
    encodePktLine('platform=linux/arm64'),
    encodePktLine('note=héllo\n'),
    flushPkt,
    Buffer.from('PACK…'),
  ]);
  expect(parseReceiveCommands(bytes)).toEqual({
    ok: true,
    request: {
      commands: [
        { oldSha: zeroSha, newSha: sha('a'), ref: 'refs/heads/v200-rc' },
        { oldSha: zeroSha, newSha: sha('a'), ref: 'refs/tags/v1' },
      ],
      capabilities: ['report-status', 'push-options', 'object-format=sha1', 'agent=git/2.39'],
      shallow: [sha('b')],
      shallowBytes: 53,
      bytes: bytes.indexOf('PACK'),
      pushOptions: ['platform=linux/arm64', 'note=héllo'],
    },
  });
});

test('the probe of a big push is a request without commands', () => {
  expect(parseReceiveCommands(flushPkt)).toMatchObject({ ok: true, request: { commands: [] } });
});

describe('what git never sends is refused with a sentence', () => {
  const cases: [string, Buffer, string][] = [
    ['bad digits', Buffer.from('00zz'), 'four hex digits'],
    ['a short object name', encodePktLine('123 456 refs/heads/main'), 'not "<old> <new> <ref>"'],
    ['a signed push', encodePktLine(`push-cert\0report-status`), 'not "<old> <new> <ref>"'],
    [
      'a ref with ..',
      Buffer.concat([line('refs/heads/a..b'), flushPkt]),
      'a ref name is not allowed',
    ],
    ['no ref name', Buffer.concat([line('HEAD'), flushPkt]), 'a ref name is not allowed'],
    ['a ref with a line feed', line('refs/heads/a\nb'), 'a ref name is not allowed'],
    [
      'a ref twice',
      Buffer.concat([line('refs/heads/a'), line('refs/heads/a')]),
      'names refs/heads/a twice',
    ],
    [
      'a late shallow line',
      Buffer.concat([line('refs/heads/a'), encodePktLine(`shallow ${sha('b')}`)]),
      'a line is not',
    ],
    ['sha256', line('refs/heads/a', 'object-format=sha256'), 'another object format'],
    ['bytes that are no text', encodePktLine(Buffer.from([0xff, 0xfe])), 'is not UTF-8'],
    ['an end in the middle', line('refs/heads/a'), 'ends early'],
    [
      'an option with an escape character',
      Buffer.concat([line('refs/heads/a', 'push-options'), flushPkt, encodePktLine('a\u001b[2J')]),
      'control characters',
    ],
    [
      '1001 commands',
      Buffer.concat(Array.from({ length: 1001 }, (_, index) => line(`refs/heads/b${index}`))),
      'more than 1000 refs',
    ],
    [
      'a list of more than 1 MiB',
      Buffer.concat(
        Array.from({ length: 30 }, (_, index) => line(`refs/heads/${index}`, 'x'.repeat(60_000))),
      ),
      'longer than 1 MiB',
    ],
  ];
  test.each(cases)('%s', (_name, bytes, sentence) => {
    const parsed = parseReceiveCommands(bytes);
    expect(parsed.ok ? 'accepted' : parsed.message).toContain(sentence);
  });
});

test('random bytes and mutated requests never throw', () => {
  const valid = Buffer.concat([line('refs/heads/main', 'report-status push-options'), flushPkt]);
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 8 })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [at, value] of changes) bytes[at] = value;
      return new Uint8Array(bytes);
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 500 }), mutated), (bytes) => {
      const step = createReceiveRequestReader().push(bytes);
      expect(['more', 'done', 'refused']).toContain(step.kind);
    }),
    { numRuns: 2000 },
  );
});
