import { describe, expect, test } from 'vitest';
import { parseAuthorization } from './http-credentials.ts';
import { routeOf } from './http-route.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const get = { method: 'GET', contentType: undefined, contentEncoding: undefined };
const post = (service: string) => ({
  method: 'POST',
  url: `/shop.git/git-${service}`,
  contentType: `application/x-git-${service}-request`,
  contentEncoding: undefined,
});
const status = (head: Parameters<typeof routeOf>[0]): number => {
  const routed = routeOf(head);
  return routed.ok ? 200 : routed.status;
};

describe('an Authorization header', () => {
  test.each([
    [undefined, undefined],
    [`Basic ${base64('ada:s3:cret')}`, { scheme: 'basic', username: 'ada', password: 's3:cret' }],
    [`basic ${base64(':token')}`, { scheme: 'basic', username: '', password: 'token' }],
    ['BEARER abc.def-1', { scheme: 'bearer', token: 'abc.def-1' }],
    ['Basic', 'malformed'],
    ['Basic ', 'malformed'],
    [`Basic ${base64('no colon')}`, 'malformed'],
    [`Basic ${base64('a:b\n')}`, 'malformed'],
    ['Basic ====', 'malformed'],
    ['Bearer', 'malformed'],
    ['Bearer a b', 'malformed'],
    ['Digest username="a"', 'malformed'],
    ['', 'malformed'],
    [`Bearer ${'x'.repeat(9000)}`, 'malformed'],
  ])('%s', (header, expected) => {
    expect(parseAuthorization(header)).toEqual(expected);
  });
});

describe('a request', () => {
  test.each([
    ['/shop.git/info/refs?service=git-receive-pack', 200],
    ['/shop.git/info/refs?service=git-upload-pack', 200],
    ['/shop.git/info/refs', 400],
    ['/shop.git/info/refs?service=git-evil', 400],
    ['/shop.git/info/refs?service=git-upload-pack&service=git-receive-pack', 400],
    ['/shop.git/git-receive-pack', 405],
    ['/shop.git/HEAD', 404],
    ['/evil/HEAD', 404],
    ['/shop/info/refs?service=git-receive-pack', 404],
    ['/a/b.git/info/refs?service=git-receive-pack', 404],
    ['/shop.git/hooks/x/info/refs?service=git-receive-pack', 404],
    ['/../shop.git/info/refs?service=git-receive-pack', 404],
    ['/%73hop.git/info/refs?service=git-receive-pack', 404],
    ['/Shop.git/info/refs?service=git-receive-pack', 404],
    ['/-shop.git/info/refs?service=git-receive-pack', 404],
    [`/${'a'.repeat(64)}.git/info/refs?service=git-receive-pack`, 404],
    ['/shop.git/objects/info/packs', 404],
  ])('GET %s gets %d', (url, expected) => {
    expect(status({ ...get, url })).toBe(expected);
  });

  test('a POST needs its own content type, and no query', () => {
    expect(status(post('receive-pack'))).toBe(200);
    expect(status({ ...post('receive-pack'), contentType: 'text/plain' })).toBe(415);
    expect(status({ ...post('receive-pack'), contentType: undefined })).toBe(415);
    const other = post('upload-pack').contentType;
    expect(status({ ...post('receive-pack'), contentType: other })).toBe(415);
    const query = '/shop.git/git-receive-pack?service=git-upload-pack';
    expect(status({ ...post('receive-pack'), url: query })).toBe(400);
    expect(status({ ...post('receive-pack'), method: 'DELETE' })).toBe(405);
  });

  test('only a fetch may be compressed, and with gzip', () => {
    expect(status({ ...post('upload-pack'), contentEncoding: 'gzip' })).toBe(200);
    expect(status({ ...post('upload-pack'), contentEncoding: 'deflate' })).toBe(415);
    expect(status({ ...post('receive-pack'), contentEncoding: 'gzip' })).toBe(415);
  });
});
