import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHealth } from '@hephy/runtime';
import { Problem } from './problem.ts';
import { createActors } from './test-actors.ts';
import { send, settle, startRig, type Rig, type Sent } from './test-rig.ts';

let rig: Rig;
let town: Awaited<ReturnType<typeof settle>>;
let buildId: string;

beforeAll(async () => {
  rig = await startRig();
  town = await settle(rig);
  buildId = await createActors(rig).push(town.app);
  await rig.server.ready();
});
afterAll(async () => rig.stop());

const asOwner = (sent: Omit<Sent, 'token'>) =>
  send(rig.server, { ...sent, token: town.people.owner.token });

describe('every refusal is a problem', () => {
  it.each<[string, { status: number; code: string }, Omit<Sent, 'token'>]>([
    [
      'a path that is not there',
      { status: 404, code: 'NotFound' },
      { method: 'GET', url: '/v2/nothing' },
    ],
    [
      'a path that cannot be read',
      { status: 400, code: 'BadRequest' },
      { method: 'GET', url: '/v1/apps/%zz' },
    ],
    [
      'a method that is not there',
      { status: 404, code: 'NotFound' },
      { method: 'PATCH', url: '/v1/builds' },
    ],
    [
      'an app name that is none',
      { status: 400, code: 'InvalidRequest' },
      { method: 'GET', url: '/v1/apps/UPPER' },
    ],
    [
      'an id that is none',
      { status: 400, code: 'InvalidRequest' },
      { method: 'GET', url: '/v1/builds/42' },
    ],
    [
      'a body that is too large',
      { status: 413, code: 'PayloadTooLarge' },
      { method: 'POST', url: '/v1/apps', body: { name: 'x'.repeat(70_000) } },
    ],
    [
      'a body of another type',
      { status: 415, code: 'UnsupportedMediaType' },
      { method: 'POST', url: '/v1/apps', body: {}, headers: { 'content-type': 'text/xml' } },
    ],
    [
      'no body',
      { status: 400, code: 'BadRequest' },
      { method: 'POST', url: '/v1/apps', headers: { 'content-type': 'application/json' } },
    ],
  ])('%s', async (_what, { status, code }, sent) => {
    const answer = await asOwner(sent);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const problem = Problem.parse(answer.json());
    expect(problem).toMatchObject({ status, code, type: `/problems/${code}` });
    expect(problem.requestId).toBe(answer.headers['x-request-id']);
    expect(problem.detail.length).toBeGreaterThan(10);
  });

  it('points into the body', async () => {
    const body = { settings: { timeLimitSeconds: 1, buildArgs: { '1x': 'y' } } };
    const answer = await asOwner({ method: 'PATCH', url: '/v1/apps/shop', body });
    const { errors } = Problem.parse(answer.json());
    expect(errors?.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/settings/timeLimitSeconds', '/settings/buildArgs/1x']),
    );
  });
});

describe('too many requests', () => {
  it('are refused within /v1, before a token is looked at, and nowhere else', async () => {
    const server = await rig.serve({ limits: { requestsPerMinute: 3 } });
    const ask = () => send(server, { method: 'GET', url: '/v1/user' });
    for (let count = 0; count < 3; count += 1) expect((await ask()).statusCode).toBe(401);
    const refused = await ask();
    expect(refused.json()).toMatchObject({ status: 429, code: 'RateLimited' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await send(server, { method: 'GET', url: '/livez' })).statusCode).toBe(200);
  });
});

describe('parts that are away', () => {
  it('Redis: cancel and rebuild are done all the same', async () => {
    const actors = createActors(rig);
    const id = await actors.push(await town.makeApp('redisless'));
    await actors.start(id);
    await rig.redis.kill();
    try {
      const cancel = await asOwner({ method: 'POST', url: `/v1/builds/${id}/cancel` });
      expect(cancel.statusCode).toBe(202);
      await actors.fail(id, 'linux/amd64');
      const rebuild = await asOwner({ method: 'POST', url: `/v1/builds/${id}/rebuild` });
      expect(rebuild.statusCode).toBe(202);
      expect((await rig.records.readBuild(rebuild.json().id))?.build.number).toBe(2);
    } finally {
      await rig.redis.start();
    }
  });

  it('the database: 503 that says when to come back', async () => {
    const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    const authenticate = () => Promise.reject(new Error('reading a token', { cause }));
    const server = await rig.serve({ users: { ...rig.users, authenticate } });
    const { token } = town.people.owner;
    const refused = await send(server, { method: 'GET', url: '/v1/user', token });
    expect(refused.json()).toMatchObject({ status: 503, code: 'Unavailable' });
    expect(refused.headers['retry-after']).toBe('5');
    expect((await send(server, { method: 'GET', url: '/livez' })).statusCode).toBe(200);
  });

  it('not ready, without a word about the inside', async () => {
    const health = createHealth({ stopping: new AbortController().signal, now: rig.now });
    health.add('database', () => Promise.reject(new Error('secret host is down')));
    const server = await rig.serve({ health });
    const ready = await send(server, { method: 'GET', url: '/readyz' });
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toEqual({ ok: false, checks: { database: 'failed' } });
  });

  it('a mistake of ours: 500 without a word of it, and the log has it', async () => {
    const users = { ...rig.users, listTokens: () => Promise.reject(new Error('the inside')) };
    const server = await rig.serve({ users });
    const { token } = town.people.owner;
    const answer = await send(server, { method: 'GET', url: '/v1/tokens', token });
    expect(answer.json()).toMatchObject({ status: 500, code: 'InternalError' });
    expect(answer.body).not.toContain('inside');
    expect(rig.logged.join('')).toContain('the inside');
  });
});

describe('whatever is sent', () => {
  const urls = [
    '/v1/apps',
    '/v1/apps/shop',
    '/v1/apps/shop/members/reader',
    '/v1/tokens',
    '/v1/users',
    '/v1/builds/ID/cancel',
    '/v1/builds/ID/rebuild',
    '/v1/builds/ID/logs',
    '/v1/builds/ID/events',
    '/v1/apps/shop/builds',
  ];
  const anyMethod = fc.constantFrom<Sent['method'][]>('GET', 'POST', 'PUT', 'PATCH', 'DELETE');
  const anyUrl = fc.oneof(
    fc.constantFrom(...urls),
    fc
      .tuple(fc.constantFrom(...urls), fc.string({ unit: 'binary' }))
      .map(([url, tail]) => `${url}/${encodeURIComponent(tail.toWellFormed())}`),
    fc
      .tuple(fc.constantFrom(...urls), fc.webQueryParameters())
      .map(([url, query]) => `${url}?${query}`),
    fc
      .tuple(
        fc.constantFrom(...urls),
        fc.constantFrom('limit', 'cursor', 'state', 'ref', 'sha', 'after', 'platform', 'user'),
        fc.string({ unit: 'binary' }),
      )
      .map(([url, name, value]) => `${url}?${name}=${encodeURIComponent(value.toWellFormed())}`),
  );
  const settings = fc.dictionary(
    fc.constantFrom('platforms', 'hookUrl', 'buildArgs', 'labels', 'target', 'contextPath', 'x'),
    fc.jsonValue(),
  );
  const anyBody = fc.oneof(
    fc.jsonValue(),
    fc.record({ name: fc.string(), settings }, { requiredKeys: [] }),
    fc.record({ settings }),
    fc.record({ reason: fc.string({ unit: 'binary' }) }),
    fc.record({ right: fc.constantFrom('owner', 'king') }),
  );

  it('is answered, and never with a mistake of ours', async () => {
    await fc.assert(
      fc.asyncProperty(anyMethod, anyUrl, anyBody, async (method, url, body) => {
        // Away with what would end the walk: its own app and rights.
        fc.pre(!(method === 'DELETE' || url.startsWith('/v1/apps/shop/members')));
        const asked = url.replace('ID', buildId);
        const answer = await asOwner({ method, url: asked, ...(method !== 'GET' && { body }) });
        expect(answer.statusCode < 500 ? '' : answer.body).toBe('');
        if (answer.statusCode >= 400) Problem.parse(answer.json());
      }),
      { numRuns: 1_000 },
    );
  });

  it('in raw bytes that are no JSON', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const answer = await rig.server.inject({
          method: 'POST',
          url: '/v1/apps',
          headers: {
            authorization: `Bearer ${town.people.owner.token}`,
            'content-type': 'application/json',
          },
          payload: Buffer.from(bytes),
        });
        expect(answer.statusCode).toBe(400);
      }),
      { numRuns: 100 },
    );
  });
});

describe('the log', () => {
  it('has one line for each request, without a token or a query', async () => {
    rig.logged.length = 0;
    await asOwner({ method: 'GET', url: '/v1/apps/shop?secret=hephy_inquery' });
    const lines = rig.logged.filter((line) => line.includes('request answered'));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      method: 'GET',
      route: '/v1/apps/:app',
      params: { app: 'shop' },
      status: 200,
      user: 'owner',
    });
    expect(lines[0]).not.toContain('hephy_');
  });
});
