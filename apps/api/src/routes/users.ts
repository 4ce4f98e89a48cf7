import { hashToken, newToken } from '@hephy/store';
import { z } from 'zod';
import type { ApiDeps, User } from '../deps.ts';
import { Time, timeText, timeTextOrNull, TokenName, Ulid, UserName } from '../fields.ts';
import type { Refusal } from '../problem.ts';
import { Nothing, route, type Answer, type Ask, type Route } from '../route.ts';

const UserView = z
  .object({ id: Ulid, name: z.string(), operator: z.boolean() })
  .meta({ id: 'User' });

const Me = UserView.extend({
  gitUrl: z.string().meta({ description: 'Where your apps are pushed to: `<gitUrl>/<app>.git`.' }),
}).meta({ id: 'Me' });

const TokenView = z
  .object({
    id: Ulid,
    name: z.string(),
    createdAt: Time,
    expiresAt: Time.nullable(),
    lastUsedAt: Time.nullable().meta({ description: 'Exact to a minute.' }),
    revokedAt: Time.nullable(),
  })
  .meta({ id: 'Token' });

const NewTokenView = z
  .object({
    id: Ulid,
    name: z.string(),
    user: z.string(),
    expiresAt: Time.nullable(),
    token: z.string().meta({ description: 'Shown this once; only a hash of it is kept.' }),
  })
  .meta({ id: 'NewToken' });

const NewUser = z
  .strictObject({ name: UserName, operator: z.boolean().default(false) })
  .meta({ id: 'NewUser' });

const TokenAsk = z
  .strictObject({
    name: TokenName.meta({ description: 'What the token is for, such as `laptop`.' }),
    user: UserName.optional().meta({
      description: 'Whose token; another than oneself is for operators.',
    }),
    expiresInDays: z.number().int().min(1).max(3650).optional(),
  })
  .meta({ id: 'TokenAsk' });

const OfUser = z.object({
  user: UserName.optional().meta({
    description: 'Whose tokens; another than oneself is for operators.',
  }),
});

const dayMs = 86_400_000;

export function userRoutes(deps: ApiDeps): Route[] {
  return [...peopleRoutes(deps), ...tokenRoutes(deps)];
}

function peopleRoutes(deps: ApiDeps): Route[] {
  const { users, gitUrl } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/user',
      tag: 'users',
      summary: 'Who am I',
      access: 'user',
      answers: { 200: Me },
      handle: ({ user }) => ({ status: 200, body: { ...user, gitUrl } }),
    }),
    route({
      method: 'GET',
      url: '/v1/users',
      tag: 'users',
      summary: 'All users, by name',
      access: 'operator',
      answers: { 200: z.object({ users: z.array(UserView) }) },
      handle: async () => ({ status: 200, body: { users: await users.listUsers() } }),
    }),
    route({
      method: 'POST',
      url: '/v1/users',
      tag: 'users',
      summary: 'Make a user',
      access: 'operator',
      body: NewUser,
      answers: { 201: UserView },
      refusals: ['NameTaken'],
      handle: (ask) => createUser(ask.body, deps),
    }),
  ];
}

function tokenRoutes(deps: ApiDeps): Route[] {
  const { users, now } = deps;
  return [
    route({
      method: 'GET',
      url: '/v1/tokens',
      tag: 'users',
      summary: 'The tokens of a user, without the tokens themselves',
      access: 'user',
      query: OfUser,
      answers: { 200: z.object({ tokens: z.array(TokenView) }) },
      handle: async ({ user, query }) => {
        const owner = await ownerOf(user, query.user, deps);
        if ('refused' in owner) return owner;
        const tokens = await users.listTokens(owner.id);
        return { status: 200, body: { tokens: tokens.map(viewToken) } };
      },
    }),
    route({
      method: 'POST',
      url: '/v1/tokens',
      tag: 'users',
      summary: 'Make a token; the answer alone shows it',
      access: 'user',
      body: TokenAsk,
      answers: { 201: NewTokenView },
      handle: (ask) => createToken(ask, deps),
    }),
    route({
      method: 'DELETE',
      url: '/v1/tokens/:id',
      tag: 'users',
      summary: 'Revoke a token, at once and for good',
      access: 'user',
      params: z.object({ id: Ulid }),
      query: OfUser,
      answers: { 204: Nothing },
      handle: async ({ user, query, params }) => {
        const owner = await ownerOf(user, query.user, deps);
        if ('refused' in owner) return owner;
        const { id: tokenId } = params;
        const revoked = await users.revokeToken({ userId: owner.id, tokenId, at: now() });
        return revoked ? { status: 204 } : noSuchToken(tokenId, owner.name);
      },
    }),
  ];
}

async function createUser(
  { name, operator }: z.output<typeof NewUser>,
  { users, now, newId }: ApiDeps,
): Promise<Answer> {
  const user = { id: newId(), name, operator };
  const created = await users.createUser({ ...user, createdAt: now() });
  if (created.ok) return { status: 201, body: user };
  return { refused: 'NameTaken', detail: `there is a user "${name}" already` };
}

async function createToken(
  { user, body }: Ask<unknown, unknown, z.output<typeof TokenAsk>>,
  deps: ApiDeps,
): Promise<Answer> {
  const owner = await ownerOf(user, body.user, deps);
  if ('refused' in owner) return owner;
  const token = newToken(deps.randomBytes);
  const createdAt = deps.now();
  const expiresAt = body.expiresInDays
    ? new Date(createdAt.getTime() + body.expiresInDays * dayMs)
    : undefined;
  const facts = { id: deps.newId(), name: body.name };
  await deps.users.createToken({
    ...facts,
    userId: owner.id,
    hash: hashToken(token),
    createdAt,
    ...(expiresAt && { expiresAt }),
  });
  const expires = timeTextOrNull(expiresAt ?? null);
  return { status: 201, body: { ...facts, user: owner.name, expiresAt: expires, token } };
}

/** Oneself, or for an operator whoever is named. */
async function ownerOf(
  user: User,
  name: string | undefined,
  { users }: Pick<ApiDeps, 'users'>,
): Promise<{ id: string; name: string } | Refusal> {
  if (name === undefined || name === user.name) return user;
  if (!user.operator) {
    return { refused: 'Forbidden', detail: 'only an operator may see to the tokens of others' };
  }
  return (
    (await users.findUser(name)) ?? {
      refused: 'NotFound',
      detail: `there is no user "${name}"; POST /v1/users makes one`,
    }
  );
}

function noSuchToken(id: string, owner: string): Refusal {
  return { refused: 'NotFound', detail: `${owner} has no token ${id} that is not revoked yet` };
}

type TokenFacts = Awaited<ReturnType<ApiDeps['users']['listTokens']>>[number];

function viewToken(token: TokenFacts): z.output<typeof TokenView> {
  return {
    id: token.id,
    name: token.name,
    createdAt: timeText(token.createdAt),
    expiresAt: timeTextOrNull(token.expiresAt),
    lastUsedAt: timeTextOrNull(token.lastUsedAt),
    revokedAt: timeTextOrNull(token.revokedAt),
  };
}
