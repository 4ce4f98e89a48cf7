import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createActors } from './test-actors.ts';
import { send, settle, startRig, type Rig, type Sent } from './test-rig.ts';

const Paths = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

const open = new Set(['/livez', '/readyz', '/openapi.json']);

let rig: Rig;
let town: Awaited<ReturnType<typeof settle>>;
let buildId: string;
let routes: Pick<Sent, 'method' | 'url'>[];

beforeAll(async () => {
  rig = await startRig();
  town = await settle(rig);
  buildId = await createActors(rig).push(town.app);
  await rig.server.ready();
  const { paths } = Paths.parse(
    (await send(rig.server, { method: 'GET', url: '/openapi.json' })).json(),
  );
  const names = { app: 'shop', id: buildId, number: '1', user: 'reader' };
  routes = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => ({
      method: method.toUpperCase() as Sent['method'],
      url: path.replaceAll(/\{(\w+)\}/g, (_all, name: keyof typeof names) => names[name]),
    })),
  );
});
afterAll(async () => rig.stop());

/** A body that each route which takes one would take. */
const bodies: Record<string, object> = {
  'POST /v1/users': { name: 'new' },
  'POST /v1/tokens': { name: 'new' },
  'POST /v1/apps': { name: 'new' },
  'PATCH /v1/apps/shop': { settings: {} },
  'PUT /v1/apps/shop/members/reader': { right: 'owner' },
};

function bodyOf({ method, url }: Pick<Sent, 'method' | 'url'>): { body?: object } {
  const body = bodies[`${method} ${url}`];
  return body ? { body } : {};
}

/** Without the names that a sentence repeats. */
function blank(text: string): string {
  return text.replaceAll(/shop|nope|[0-9A-Z]{26}/gi, '…');
}

function basic(token: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')}` };
}

describe('the door', () => {
  it('is shut on every route without a token, with a wrong one, and with a broken header', async () => {
    const board = [
      '/ops/queues',
      '/ops/queues/',
      '/ops/queues/api/queues',
      '/ops/queues/static/x.js',
    ].map((url) => ({ method: 'GET' as const, url }));
    for (const route of [...routes.filter(({ url }) => !open.has(url)), ...board]) {
      for (const authorization of [undefined, 'Bearer hephy_wrong', 'Basic !!', 'Bearer', '']) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await send(rig.server, { ...route, ...bodyOf(route), headers });
        expect({ route, status: answer.statusCode }).toEqual({ route, status: 401 });
        expect(answer.headers['www-authenticate']).toMatch(/^(Bearer|Basic) realm=/);
        expect(answer.headers['content-type']).toContain('application/problem+json');
      }
    }
  });

  it('tells a stranger of an app what it tells of one that does not exist', async () => {
    const { token } = town.people.stranger;
    const ofShop = routes.filter(({ url }) => url.includes('shop') || url.includes(buildId));
    expect(ofShop.length).toBeGreaterThan(14);
    for (const route of ofShop.filter(({ url }) => !url.startsWith('/v1/tokens'))) {
      const answer = await send(rig.server, { ...route, ...bodyOf(route), token });
      expect({ route, status: answer.statusCode }).toEqual({ route, status: 404 });
      const nowhere = route.url.replace('shop', 'nope').replace(buildId, rig.newId());
      const other = await send(rig.server, { ...route, ...bodyOf(route), url: nowhere, token });
      expect(blank(answer.body)).toBe(blank(other.body));
    }
  });

  it('leaves nothing of what strangers asked for', async () => {
    expect(await rig.apps.rightOf(town.people.reader.id, town.app.id)).toBe('reader');
    expect((await rig.records.readBuild(buildId))?.build.cancelRequest).toBeNull();
  });

  it.each([
    ['bearer', (token: string) => `bearer ${token}`],
    ['BEARER', (token: string) => `BEARER  ${token}`],
    ['Basic', (token: string) => `Basic ${Buffer.from(`any:${token}`).toString('base64')}`],
    ['basic', (token: string) => `basic ${Buffer.from(`:${token}`).toString('base64')}`],
  ])('takes the scheme %s', async (_scheme, authorizationOf) => {
    const authorization = authorizationOf(town.people.reader.token);
    const headers = { authorization };
    const answer = await send(rig.server, { method: 'GET', url: '/v1/user', headers });
    expect(answer.json()).toMatchObject({ name: 'reader' });
  });

  it('refuses what another site makes a browser send with a password that it remembers', async () => {
    const password = Buffer.from(`ada:${town.people.owner.token}`).toString('base64');
    const cancel = (site: string) =>
      send(rig.server, {
        method: 'POST',
        url: `/v1/builds/${rig.newId()}/cancel`,
        headers: { authorization: `Basic ${password}`, 'sec-fetch-site': site },
      });
    expect((await cancel('cross-site')).statusCode).toBe(403);
    expect((await cancel('same-origin')).statusCode).toBe(404);
  });
});

describe("the operator's queue board", () => {
  it('opens to an operator who gives the token as the password, and asks a browser for it', async () => {
    const url = '/ops/queues';
    const asked = await send(rig.server, { method: 'GET', url });
    expect(asked.headers['www-authenticate']).toMatch(/^Basic /);
    const headers = basic(town.people.operator.token);
    const page = await send(rig.server, { method: 'GET', url, headers });
    expect(page.statusCode).toBe(200);
    expect(page.body).toContain('<html');
    const owner = await send(rig.server, {
      method: 'GET',
      url,
      headers: basic(town.people.owner.token),
    });
    expect(owner.statusCode).toBe(403);
  });

  it('shows the queues, and changes nothing', async () => {
    const headers = basic(town.people.operator.token);
    const queues = await send(rig.server, {
      method: 'GET',
      url: '/ops/queues/api/queues',
      headers,
    });
    expect(queues.statusCode).toBe(200);
    expect(queues.body).toContain('"advance"');
    for (const change of ['advance/pause', 'advance/empty', 'advance/clean/completed']) {
      const url = `/ops/queues/api/queues/${change}`;
      const answer = await send(rig.server, { method: 'PUT', url, headers });
      expect(answer.statusCode).toBe(405);
    }
  });
});
