import { assert, property, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatReference, parseReference, registryHost } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
  test.each([
    ['alpine', { registry: 'docker.io', repository: 'library/alpine' }],
    ['alpine:3.20', { registry: 'docker.io', repository: 'library/alpine', tag: '3.20' }],
    ['library/alpine', { registry: 'docker.io', repository: 'library/alpine' }],
    ['docker.io/alpine', { registry: 'docker.io', repository: 'library/alpine' }],
    ['org/team/app', { registry: 'docker.io', repository: 'org/team/app' }],
    ['localhost/app', { registry: 'localhost', repository: 'app' }],
    ['localhost:5000/app:v1', { registry: 'localhost:5000', repository: 'app', tag: 'v1' }],
    ['[::1]:5000/app', { registry: '[::1]:5000', repository: 'app' }],
    [`ghcr.io/a/b@${digest}`, { registry: 'ghcr.io', repository: 'a/b', digest }],
    [`ghcr.io/a/b:x@${digest}`, { registry: 'ghcr.io', repository: 'a/b', tag: 'x', digest }],
    ['r.example/a__b/c-d.e', { registry: 'r.example', repository: 'a__b/c-d.e' }],
  ])('%s is read', (text, reference) => {
    expect(parseReference(text)).toEqual({ ok: true, reference });
  });

  test.each([
    ['', 'repository "library/"'],
    ['UPPER', 'repository "library/UPPER"'],
    ['r.example/a//b', 'repository "a//b"'],
    ['r.example/../etc', 'repository "../etc"'],
    ['r.example/a___b', 'repository "a___b"'],
    ['r.example/a:', 'tag ""'],
    ['r.example/a:-x', 'tag "-x"'],
    [`r.example/a:${'t'.repeat(129)}`, 'tag "ttt'],
    [`r.example/${'a'.repeat(256)}`, 'at most 255'],
    ['r.example/a@sha256:abc', 'digest "sha256:abc"'],
    [`r.example/a@${digest}@${digest}`, 'more than one @'],
    ['r.example:99999/a', 'registry "r.example:99999"'],
    ['user:secret@r.example/a', 'digest "r.example/a"'],
  ])('%s is refused by a sentence that names the part', (text, sentence) => {
    const parsed = parseReference(text);
    expect(parsed.ok ? '' : parsed.problem).toContain(sentence);
  });

  test('what it reads, formatReference writes back', () => {
    assert(
      property(string({ unit: 'grapheme-ascii', maxLength: 40 }), (text) => {
        const parsed = parseReference(text);
        const again = parsed.ok ? parseReference(formatReference(parsed.reference)) : parsed;
        expect(again).toEqual(parsed);
      }),
      { numRuns: 2000 },
    );
  });
});

test("Docker Hub's names are served by another host", () => {
  expect(registryHost('docker.io')).toBe('registry-1.docker.io');
  expect(registryHost('ghcr.io')).toBe('ghcr.io');
});
