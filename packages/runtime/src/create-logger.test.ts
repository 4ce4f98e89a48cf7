import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { createLogger } from './create-logger.ts';
import { Secret } from './secret.ts';

function logTo(): { log: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { log: createLogger({ level: 'info', name: 'worker', destination }), lines };
}

const planted = 'hunter2-planted';

test('a line is JSON with a level, a time, a name, a message and its fields', () => {
  const { log, lines } = logTo();
  log.child({ buildId: 'b1' }).info({ platform: 'linux/arm64' }, 'image built');
  log.debug('not shown');
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({
      level: 'info',
      name: 'worker',
      buildId: 'b1',
      platform: 'linux/arm64',
      msg: 'image built',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
    }),
  ]);
});

test.for<[string, object]>([
  ['a Secret', { setting: new Secret(planted) }],
  ['a telling key', { password: planted }],
  ['a telling key far down', { a: { b: [{ c: { registryToken: planted } }] } }],
  ['a header', { request: { headers: { Authorization: `Basic ${planted}` } } }],
  ['a key that holds an object', { credentials: { user: planted } }],
  ['an address', { url: `postgres://hephy:${planted}@db:5432/hephy` }],
  ['a URL object', { url: new URL(`redis://:${planted}@db:6379`) }],
  ['text of an answer', { text: `sent Bearer ${planted}` }],
  ['a hook secret', { text: `whsec_${planted}` }],
  [
    'an error and its causes',
    {
      err: new Error(`https://ada:${planted}@host failed`, {
        cause: Object.assign(new Error('inner'), { token: planted }),
      }),
    },
  ],
  ['what is too deep', { a: { b: { c: { d: { e: { f: { g: { h: planted } } } } } } } }],
])('%s is not logged, in fields or in bindings', ([, fields]) => {
  const { log, lines } = logTo();
  log.info(fields, 'said');
  log.child(fields).info('said');
  log.child({ buildId: 'b1' }).child(fields, {}).info('said');
  expect(lines).toHaveLength(3);
  expect(lines.join('')).not.toContain(planted);
});

test('credentials in a message are not logged', () => {
  const { log, lines } = logTo();
  log.error(new Error(`cannot reach redis://:${planted}@host`));
  log.info(`using https://ada:${planted}@host`);
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain(planted);
});

test('an error is logged with its code and its causes', () => {
  const { log, lines } = logTo();
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  log.error({ err: new Error('pushing index', { cause }) }, 'failed');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    err: { message: 'pushing index', cause: { message: 'refused', code: 'ECONNREFUSED' } },
  });
});

test('something huge or circular makes one short line', () => {
  const { log, lines } = logTo();
  const circular: Record<string, unknown> = { list: Array.from({ length: 1_000_000 }, () => 'x') };
  circular['self'] = circular;
  log.info({ circular, text: 'y'.repeat(10_000_000), bytes: new Uint8Array(1_000_000) }, 'big');
  expect(lines).toHaveLength(1);
  expect(lines[0]?.length).toBeLessThan(20_000);
});

test('a Secret shows itself only when asked', () => {
  const secret = new Secret(planted);
  expect(secret.reveal()).toBe(planted);
  const shown = [String(secret), JSON.stringify({ secret }), inspect(secret)];
  expect(shown.join(' ')).not.toContain(planted);
  expect(inspect({ deep: { secret } })).toContain('[secret]');
});
