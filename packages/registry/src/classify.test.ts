import { expect, test } from 'vitest';
import { classifyAnswer, readRetryAfter } from './classify.ts';
import type { RefusedAnswer } from './classify.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');
const error = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });

function classify(answer: Partial<RefusedAnswer>) {
  return classifyAnswer(
    {
      method: 'PUT',
      url: new URL('https://user:secret@r.example/v2/shop/manifests/latest?state=hidden'),
      status: 400,
      headers: {},
      body: '',
      ...answer,
    },
    nowMs,
  );
}

test.each<[string, number, string, string, boolean]>([
  ['PUT', 429, error('TOOMANYREQUESTS', 'slow down'), 'RateLimited', true],
  ['GET', 429, '', 'RateLimited', true],
  ['PUT', 403, error('DENIED', 'Rate exceeded'), 'RateLimited', true],
  ['PUT', 400, error('ThrottlingException', 'Rate exceeded'), 'RateLimited', true],
  ['PUT', 503, error('TOOMANYREQUESTS', ''), 'RateLimited', true],
  ['PUT', 408, '', 'RegistryUnavailable', true],
  ['PUT', 500, error('UNKNOWN', 'unknown error'), 'RegistryUnavailable', true],
  ['PUT', 502, '<html>Bad Gateway</html>', 'RegistryUnavailable', true],
  ['GET', 503, '', 'RegistryUnavailable', true],
  ['GET', 504, '', 'RegistryUnavailable', true],
  ['GET', 522, '', 'RegistryUnavailable', true],
  ['GET', 501, '', 'RegistryUnavailable', false],
  ['GET', 401, error('UNAUTHORIZED', 'authentication required'), 'RegistryUnauthorized', false],
  ['GET', 403, error('DENIED', 'no'), 'RegistryUnauthorized', false],
  ['PUT', 403, error('DENIED', 'requested access is denied'), 'PushDenied', false],
  ['POST', 403, '', 'PushDenied', false],
  ['GET', 404, error('MANIFEST_UNKNOWN', 'manifest unknown'), 'NotFound', false],
  ['PUT', 404, error('NAME_UNKNOWN', 'repository shop does not exist'), 'NotFound', false],
  ['PUT', 413, '', 'ManifestTooLarge', false],
  ['PUT', 400, error('MANIFEST_INVALID', 'manifest invalid'), 'ManifestInvalid', false],
  ['PUT', 400, error('MANIFEST_BLOB_UNKNOWN', 'blob unknown'), 'ManifestInvalid', false],
  ['PUT', 415, '', 'ManifestInvalid', false],
  [
    'PUT',
    400,
    error(
      'TAG_INVALID',
      "The image tag 'v1' already exists in the 'shop' repository and cannot be overwritten because the tag is immutable.",
    ),
    'TagImmutable',
    false,
  ],
  [
    'PUT',
    400,
    error('FAILED_PRECONDITION', 'The repository has enabled tag immutability'),
    'TagImmutable',
    false,
  ],
  ['PUT', 412, error('PRECONDITION', "tag 'v1' configured as immutable"), 'TagImmutable', false],
  ['PUT', 403, error('DENIED', 'tag is immutable'), 'TagImmutable', false],
])('%s answered %i %s means %s, temporary %s', (...row) => {
  const [method, status, body, reason, temporary] = row;
  expect(classify({ method, status, body })).toMatchObject({ reason, temporary, status });
});

test('a token without the push right means PushDenied', () => {
  const headers = { 'www-authenticate': 'Bearer realm="x",error="insufficient_scope"' };
  expect(classify({ status: 401, headers }).reason).toBe('PushDenied');
  expect(classify({ status: 401, headers, method: 'GET' }).reason).toBe('RegistryUnauthorized');
});

test('the sentence is one bounded line without the query, the user or control characters', () => {
  const body = error('DENIED', `\u001b[31mno\r\nway ${'x'.repeat(5000)}`);
  const failure = classify({ status: 403, body });
  expect(failure.message).toMatch(
    /^r\.example answered 403 to PUT \/v2\/shop\/manifests\/latest: DENIED \[31mno way x+…$/,
  );
  expect(failure.message.length).toBeLessThan(400);
  expect(failure.url).toBe('https://r.example/v2/shop/manifests/latest');
  expect(failure.codes).toEqual(['DENIED']);
});

test("a proxy's page is left out of the sentence", () => {
  expect(classify({ status: 502, body: '<html>oops</html>' }).message).toMatch(/latest$/);
});

test.each([
  ['7', 7000],
  ['0', 0],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['soon', undefined],
  [undefined, undefined],
])('Retry-After %s is %s ms from now', (value, waitMs) => {
  expect(readRetryAfter(value, nowMs)).toBe(waitMs);
});
