import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAnswers, type Called, type CheckedServer } from './check-answers.ts';
import { createActors } from './test-actors.ts';
import {
  digest,
  platforms,
  send,
  settle,
  sha,
  startRig,
  type Person,
  type Rig,
  type Sent,
} from './test-rig.ts';

let rig: Rig;
let town: Awaited<ReturnType<typeof settle>>;
let actors: ReturnType<typeof createActors>;
let checked: CheckedServer;

beforeAll(async () => {
  rig = await startRig();
  town = await settle(rig);
  actors = createActors(rig);
  checked = await checkAnswers(rig.server);
});
afterAll(async () => rig.stop());

async function appsOfBuilds(who: Person): Promise<string[]> {
  const page = await call(who, { method: 'GET', url: '/v1/builds' });
  return page.json().builds.map((build: { app: string }) => build.app);
}

async function succeed(buildId: string): Promise<void> {
  await actors.build(buildId);
  await actors.publish(buildId);
}

function call(who: Person | undefined, sent: Omit<Sent, 'token'>): Promise<Called> {
  return checked.call({ ...sent, token: who && town.people[who].token });
}

describe('users and tokens', () => {
  it('tells who I am, and nothing of the token', async () => {
    const answer = await call('reader', { method: 'GET', url: '/v1/user' });
    expect(answer.json()).toEqual({
      id: town.people.reader.id,
      name: 'reader',
      operator: false,
      gitUrl: 'http://git.test',
    });
  });

  it('lets an operator make users and tokens for them; a name is taken once', async () => {
    const ask = { method: 'POST', url: '/v1/users', body: { name: 'ada' } } as const;
    expect((await call('operator', ask)).statusCode).toBe(201);
    expect((await call('operator', ask)).json()).toMatchObject({ code: 'NameTaken' });
    expect((await call('owner', ask)).json()).toMatchObject({ code: 'Forbidden' });
    const listed = await call('operator', { method: 'GET', url: '/v1/users' });
    expect(listed.json().users.map((user: { name: string }) => user.name)).toContain('ada');
    const made = await call('operator', {
      method: 'POST',
      url: '/v1/tokens',
      body: { name: 'laptop', user: 'ada', expiresInDays: 1 },
    });
    const { token } = made.json();
    const who = await send(rig.server, { method: 'GET', url: '/v1/user', token });
    expect(who.json()).toMatchObject({ name: 'ada' });
  });

  it('shows a token once, never again, and a revoked one opens nothing', async () => {
    const made = await call('reader', { method: 'POST', url: '/v1/tokens', body: { name: 'ci' } });
    const { id, token } = made.json();
    expect(token).toMatch(/^hephy_/);
    const listed = await call('reader', { method: 'GET', url: '/v1/tokens' });
    expect(listed.json().tokens.map((one: { name: string }) => one.name)).toContain('ci');
    expect(listed.body).not.toContain(token);
    expect(listed.body).not.toContain('hash');
    const url = `/v1/tokens/${id}`;
    expect((await call('stranger', { method: 'DELETE', url })).statusCode).toBe(404);
    expect((await call('reader', { method: 'DELETE', url })).statusCode).toBe(204);
    const refused = await send(rig.server, { method: 'GET', url: '/v1/user', token });
    expect(refused.statusCode).toBe(401);
    expect(rig.logged.join('')).not.toContain(token);
  });

  it("keeps others' tokens for operators", async () => {
    const answer = await call('reader', { method: 'GET', url: '/v1/tokens?user=owner' });
    expect(answer.json()).toMatchObject({ code: 'Forbidden' });
    const asOperator = await call('operator', { method: 'GET', url: '/v1/tokens?user=owner' });
    expect(asOperator.json().tokens).toHaveLength(1);
  });
});

describe('apps', () => {
  it('makes an app with canonical platforms; whoever makes it owns it', async () => {
    const made = await call('stranger', {
      method: 'POST',
      url: '/v1/apps',
      body: {
        name: 'blog',
        settings: { platforms: ['linux/x86_64', 'linux/arm64/v8', 'linux/arm'] },
      },
    });
    expect(made.statusCode).toBe(201);
    expect(made.headers['location']).toBe('/v1/apps/blog');
    expect(made.json()).toMatchObject({ name: 'blog', right: 'owner' });
    expect(made.json().settings.platforms).toEqual(['linux/amd64', 'linux/arm64', 'linux/arm/v7']);
    const again = await call('owner', { method: 'POST', url: '/v1/apps', body: { name: 'blog' } });
    expect(again.json()).toMatchObject({ status: 409, code: 'NameTaken' });
    const listed = await call('stranger', { method: 'GET', url: '/v1/apps' });
    expect(listed.json().apps.map((app: { name: string }) => app.name)).toEqual(['blog']);
  });

  it.each([
    [['linux/arm64', 'linux/aarch64'], 'linux/aarch64'],
    [['linux/banana'], 'banana'],
    [['linux/amd64', ''], 'os/architecture'],
  ])('refuses the platforms %j and names what is wrong', async (asked, named) => {
    const answer = await call('owner', {
      method: 'PATCH',
      url: '/v1/apps/shop',
      body: { settings: { platforms: asked } },
    });
    expect(answer.statusCode).toBe(400);
    const { errors, detail } = answer.json();
    expect(errors[0].pointer).toBe('/settings/platforms');
    expect(detail).toContain(named);
  });

  it('changes what is named, leaves the rest, and refuses what it does not know', async () => {
    const patch = (settings: object) =>
      call('owner', { method: 'PATCH', url: '/v1/apps/shop', body: { settings } });
    await patch({ timeLimitSeconds: 60, hookUrl: 'https://hooks.test/shop' });
    const changed = (await patch({ movingTag: null })).json().settings;
    expect(changed).toMatchObject({ timeLimitSeconds: 60, movingTag: null, platforms });
    const unknown = await patch({ timelimit: 1 });
    expect(unknown.json()).toMatchObject({ status: 400, code: 'InvalidRequest' });
    expect(unknown.json().detail).toContain('timelimit');
    const secret = await patch({ hookUrl: 'https://user:pass@hooks.test/' });
    expect(secret.json().errors[0].pointer).toBe('/settings/hookUrl');
    const read = await call('reader', { method: 'GET', url: '/v1/apps/shop' });
    expect(read.json()).toMatchObject({ right: 'reader', settings: changed });
  });

  it('shows a new hook secret once', async () => {
    const url = '/v1/apps/shop/hook-secret';
    const first = (await call('owner', { method: 'POST', url })).json().secret;
    const second = (await call('owner', { method: 'POST', url })).json().secret;
    expect(first).toMatch(/^whsec_/);
    expect(second).not.toBe(first);
    expect((await call('deployer', { method: 'POST', url })).statusCode).toBe(403);
    const read = await call('owner', { method: 'GET', url: '/v1/apps/shop' });
    expect(read.body).not.toContain('whsec_');
  });

  it('gives and takes rights', async () => {
    const url = '/v1/apps/shop/members/stranger';
    const app = { method: 'GET', url: '/v1/apps/shop' } as const;
    expect((await call('stranger', app)).statusCode).toBe(404);
    await call('owner', { method: 'PUT', url, body: { right: 'reader' } });
    expect((await call('stranger', app)).statusCode).toBe(200);
    const members = await call('reader', { method: 'GET', url: '/v1/apps/shop/members' });
    expect(members.json().members).toContainEqual({ user: 'stranger', right: 'reader' });
    expect((await call('owner', { method: 'DELETE', url })).statusCode).toBe(204);
    expect((await call('stranger', app)).statusCode).toBe(404);
    const nobody = { method: 'PUT', url: `${url}s`, body: { right: 'reader' } } as const;
    expect((await call('owner', nobody)).json().detail).toContain('strangers');
  });

  it('deletes an app, but not while a build of it runs', async () => {
    const app = await town.makeApp('gone');
    const buildId = await actors.push(app);
    const ask = { method: 'DELETE', url: '/v1/apps/gone' } as const;
    expect((await call('owner', ask)).json()).toMatchObject({ code: 'AppBusy' });
    await actors.start(buildId);
    await actors.fail(buildId, 'linux/arm64');
    expect((await call('owner', ask)).statusCode).toBe(204);
    expect((await call('owner', { method: 'GET', url: '/v1/apps/gone' })).statusCode).toBe(404);
    const url = `/v1/builds/${buildId}/rebuild`;
    expect((await call('operator', { method: 'POST', url })).json().detail).toContain('deleted');
  });
});

describe('builds', () => {
  it('shows a build on its way, and as it ended', async () => {
    const app = await town.makeApp('web');
    const id = await actors.push(app);
    const read = () => call('reader', { method: 'GET', url: `/v1/builds/${id}` });
    const queued = (await read()).json();
    expect(queued).toMatchObject({ app: 'web', number: 1, state: 'queued', sha, failure: null });
    expect(queued.images[0].platforms.map((one: { state: string }) => one.state)).toEqual([
      'pending',
      'pending',
    ]);
    await actors.start(id);
    await succeed(id);
    const answer = await call('reader', { method: 'GET', url: '/v1/apps/web/builds/1' });
    expect(answer.json()).toMatchObject({
      id,
      state: 'succeeded',
      release: { version: 1 },
      images: [
        {
          reference: `registry.test:5000/web@${digest}`,
          tags: [{ tag: `git-${sha.slice(0, 8)}`, moved: true }],
          platforms: platforms.map((platform) => ({ platform, state: 'succeeded', digest })),
        },
      ],
    });
    const missing = await call('reader', { method: 'GET', url: '/v1/apps/web/builds/99' });
    expect(missing.json()).toMatchObject({ status: 404, detail: 'web has no build 99' });
  });

  it('answers 304 while nothing has changed', async () => {
    const id = await actors.push(await town.makeApp('etag'));
    const url = `/v1/builds/${id}`;
    const first = await call('reader', { method: 'GET', url });
    const headers = { 'if-none-match': String(first.headers['etag']) };
    expect((await call('reader', { method: 'GET', url, headers })).statusCode).toBe(304);
    await actors.start(id);
    expect((await call('reader', { method: 'GET', url, headers })).statusCode).toBe(200);
  });

  it('lists newest first, page by page, each build once, filtered', async () => {
    const app = await town.makeApp('pages');
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      const id = await actors.push(app);
      await actors.start(id);
      if (count % 2 === 0) await actors.fail(id, 'linux/amd64');
      else await succeed(id);
      ids.unshift(id);
    }
    const seen: string[] = [];
    let url: string | undefined = '/v1/apps/pages/builds?limit=2';
    while (url !== undefined) {
      const page: Called = await call('reader', { method: 'GET', url });
      seen.push(...page.json().builds.map((build: { id: string }) => build.id));
      url = /^<(.*)>; rel="next"$/.exec(String(page.headers['link']))?.[1];
    }
    expect(seen).toEqual(ids);
    const count = async (query: string): Promise<number> => {
      const page = await call('reader', { method: 'GET', url: `/v1/apps/pages/builds?${query}` });
      return page.json().builds.length;
    };
    expect(await count('state=failed')).toBe(3);
    expect(await count('ref=main&sha=C0FFEE')).toBe(5);
    expect(await count('ref=refs/heads/other')).toBe(0);
    const noName = await call('reader', { method: 'GET', url: '/v1/builds?ref=%00' });
    expect(noName.json()).toMatchObject({ status: 400, errors: [{ pointer: '/query/ref' }] });
    const tooMany = await call('reader', { method: 'GET', url: '/v1/builds?limit=101' });
    expect(tooMany.json()).toMatchObject({ status: 400, errors: [{ pointer: '/query/limit' }] });
  });

  it('lists of all apps only those that one may read', async () => {
    expect(await appsOfBuilds('stranger')).toEqual([]);
    expect(await appsOfBuilds('reader')).not.toContain('gone');
    expect(await appsOfBuilds('operator')).toContain('gone');
  });

  it('tells why a build failed: reason, class, sentence, what to do', async () => {
    const id = await actors.push(await town.makeApp('fails'));
    await actors.start(id);
    await actors.fail(id, 'linux/arm64');
    const build = (await call('reader', { method: 'GET', url: `/v1/builds/${id}` })).json();
    expect(build.failure).toMatchObject({
      reason: 'BuildFailed',
      class: 'user',
      sentence: 'linux/arm64 exited 1',
      platform: 'linux/arm64',
      exitCode: 1,
    });
  });

  it('keeps the history in order', async () => {
    const id = await actors.push(await town.makeApp('history'));
    await actors.start(id);
    await actors.say(id, 'linux/amd64', 'noise\n');
    await succeed(id);
    const events: { seq: number; event: { type: string } }[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const url = `/v1/builds/${id}/events?limit=3&after=${after}`;
      const page: Called = await call('reader', { method: 'GET', url });
      events.push(...page.json().events);
      after = page.json().nextAfter;
    }
    const seqs = events.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((one, other) => one - other));
    expect(new Set(seqs).size).toBe(seqs.length);
    expect(events[0]?.event.type).toBe('build.queued');
    expect(events.map(({ event }) => event.type)).toContain('publication.finished');
  });

  it('shows how the release hook fared, and calls it again', async () => {
    const app = await town.makeApp('hooked');
    const settings = { ...app.settings, hookUrl: 'https://hooks.test/' };
    const id = await actors.push({ ...app, settings });
    const redeliver = { method: 'POST', url: `/v1/builds/${id}/redeliver` } as const;
    await actors.start(id);
    expect((await call('deployer', redeliver)).json()).toMatchObject({ code: 'NothingToDeliver' });
    await succeed(id);
    await actors.deliver(id);
    const read = { method: 'GET', url: `/v1/builds/${id}/deliveries` } as const;
    const [first] = (await call('reader', read)).json().deliveries;
    expect(first).toMatchObject({ state: 'succeeded', status: 204 });
    expect((await call('reader', redeliver)).statusCode).toBe(403);
    const again = await call('deployer', redeliver);
    const pending = { state: 'pending', deliveryId: first.deliveryId, status: null };
    expect(again.json().deliveries).toMatchObject([pending]);
    expect((await call('reader', read)).json()).toEqual(again.json());
    await actors.deliver(id);
    const build = await call('reader', { method: 'GET', url: `/v1/builds/${id}` });
    expect(build.json()).toMatchObject({ state: 'succeeded', release: { version: 1 } });
  });
});

describe('cancel and rebuild', () => {
  it('cancels, again with the same answer, and not what has ended', async () => {
    const id = await actors.push(await town.makeApp('stop'));
    await actors.start(id);
    const ask = {
      method: 'POST',
      url: `/v1/builds/${id}/cancel`,
      body: { reason: 'wrong branch' },
    } as const;
    expect((await call('reader', ask)).statusCode).toBe(403);
    const first = await call('deployer', ask);
    expect(first.statusCode).toBe(202);
    const cancelRequest = { by: 'deployer', reason: 'wrong branch' };
    expect(first.json()).toMatchObject({ state: 'canceling', cancelRequest });
    const again = await call('owner', { ...ask, body: undefined });
    expect(again.json()).toMatchObject({ state: 'canceling', cancelRequest });
    await actors.fail(id, 'linux/amd64');
    expect((await call('deployer', ask)).json()).toMatchObject({ status: 409, code: 'BuildEnded' });
  });

  it('does not cancel what is being published', async () => {
    const id = await actors.push(await town.makeApp('late'));
    await actors.start(id);
    await actors.build(id);
    const answer = await call('deployer', { method: 'POST', url: `/v1/builds/${id}/cancel` });
    expect(answer.json()).toMatchObject({ status: 409, code: 'TooLateToCancel' });
  });

  it('rebuilds the same commit and source once for each key', async () => {
    const app = await town.makeApp('again');
    const id = await actors.push(app);
    await actors.start(id);
    const url = `/v1/builds/${id}/rebuild`;
    const ask = { method: 'POST', url, headers: { 'idempotency-key': 'k1' } } as const;
    expect((await call('deployer', ask)).json()).toMatchObject({ status: 409, code: 'AppBusy' });
    await actors.fail(id, 'linux/amd64');
    const [first, doubled] = await Promise.all([call('deployer', ask), call('deployer', ask)]);
    const repeated = await call('deployer', ask);
    expect(first.statusCode).toBe(202);
    expect(first.json()).toMatchObject({ app: 'again', number: 2 });
    expect(doubled.json()).toEqual(first.json());
    expect(repeated.json()).toEqual(first.json());
    expect(first.headers['location']).toBe(`/v1/builds/${first.json().id}`);
    const [made, old] = await Promise.all([
      rig.records.readBuild(first.json().id),
      rig.records.readBuild(id),
    ]);
    expect(made?.build.sha).toBe(sha);
    expect(made?.build.source).toEqual(old?.build.source);
    expect(made?.build.pushedBy).toBe('deployer');
  });
});

describe('the service', () => {
  it('is live and ready', async () => {
    expect((await call(undefined, { method: 'GET', url: '/livez' })).statusCode).toBe(200);
    expect((await call(undefined, { method: 'GET', url: '/readyz' })).statusCode).toBe(200);
  });

  it('describes itself in OpenAPI 3.1, with named schemas and a summary for each operation', async () => {
    await call(undefined, { method: 'GET', url: '/openapi.json' });
    const { openapi, components, paths } = checked.document;
    expect(openapi).toBe('3.1.0');
    const names = Object.keys(components.schemas);
    expect(names).toEqual(expect.arrayContaining(['Build', 'Problem', 'App']));
    const operations = Object.values(paths).flatMap((path) => Object.values(path));
    expect(operations.filter(({ summary }) => summary === '')).toEqual([]);
  });
});

it('has a test for every route', async () => {
  const id = await actors.push(await town.makeApp('last'));
  await call('reader', { method: 'GET', url: `/v1/builds/${id}/logs` });
  await call('reader', { method: 'GET', url: '/v1/platforms' });
  await call('reader', { method: 'GET', url: '/v1/apps/last/platforms' });
  const all = Object.entries(checked.document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter((route) => !checked.exercised.has(route))).toEqual([]);
});
