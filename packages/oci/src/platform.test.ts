import { assert, property, constantFrom, string, array } from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatPlatform,
  parsePlatform,
  parsePlatformList,
  platformLabel,
  samePlatform,
} from './platform.ts';

describe('parsePlatform', () => {
  test.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['linux/x86-64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['linux/aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/arm/v8', 'linux/arm/v8'],
    ['linux/armhf', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['Linux/ARM64', 'linux/arm64'],
    ['macos/arm64', 'darwin/arm64'],
    [' linux/s390x ', 'linux/s390x'],
  ])('%s is %s', (text, canonical) => {
    const parsed = parsePlatform(text);
    expect(parsed.ok && formatPlatform(parsed.platform)).toBe(canonical);
  });

  test.each([
    ['linux/banana', '"banana" is not one of'],
    ['plan9/amd64', '"plan9" is not one of'],
    ['linux/arm/v9', 'variant "v9" of arm must be one of v5, v6, v7, v8'],
    ['linux/s390x/v1', 'variant "v1" of s390x must be none'],
    ['linux', 'write it as os/architecture'],
    ['', 'write it as os/architecture'],
    ['linux//v8', 'write it as os/architecture'],
    ['linux/arm64/v8/x', 'write it as os/architecture'],
    ['linux/\u001b[31m', '"?[31m" is not one of'],
  ])('%j is refused by a sentence that names it', (text, sentence) => {
    const parsed = parsePlatform(text);
    expect(parsed.ok ? '' : parsed.problem).toContain(sentence);
  });

  test('a canonical name is read back as itself', () => {
    const parts = array(constantFrom('linux', 'arm64', 'arm', 'amd64', 'v8', '7', 'x86_64'), {
      minLength: 2,
      maxLength: 3,
    });
    assert(
      property(parts, (words) => {
        const parsed = parsePlatform(words.join('/'));
        const again = parsed.ok ? parsePlatform(formatPlatform(parsed.platform)) : parsed;
        expect(again).toEqual(parsed);
      }),
    );
  });

  test('no text makes it throw, and no refusal is longer than a line', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 60 }), (text) => {
        const parsed = parsePlatform(text);
        expect(parsed.ok ? 'fine' : parsed.problem).toMatch(/^[\x20-\x7e…]{1,300}$/);
      }),
    );
  });
});

describe('parsePlatformList', () => {
  test('keeps the order asked, in canonical names', () => {
    expect(parsePlatformList(['linux/arm64/v8', 'linux/x86_64'])).toEqual({
      ok: true,
      platforms: ['linux/arm64', 'linux/amd64'],
    });
  });

  test('names every problem at once, and both names of one platform', () => {
    const list = parsePlatformList(['linux/arm64', 'linux/banana', 'linux/aarch64', 'beos/arm64']);
    expect(list.ok ? [] : list.problems).toEqual([
      expect.stringContaining('"banana"'),
      '"linux/aarch64" is linux/arm64, which "linux/arm64" already names',
      expect.stringContaining('"beos"'),
    ]);
  });

  test('refuses an empty list', () => {
    expect(parsePlatformList([]).ok).toBe(false);
  });
});

test.each([
  ['linux/arm64', ['linux/arm64', 'linux/amd64'], 'arm64'],
  ['linux/arm/v7', ['linux/arm/v6', 'linux/arm/v7'], 'arm/v7'],
  ['linux/amd64', ['linux/amd64', 'windows/amd64'], 'linux/amd64'],
])('the label of %s among %j is %s', (platform, all, label) => {
  expect(platformLabel(platform, all)).toBe(label);
});

test('two spellings of one platform are the same platform', () => {
  const arm64 = { os: 'linux', architecture: 'arm64' };
  expect(samePlatform(arm64, { os: 'linux', architecture: 'aarch64', variant: 'v8' })).toBe(true);
  expect(samePlatform(arm64, { os: 'linux', architecture: 'amd64' })).toBe(false);
});
