/** The door: every route is shut to whoever shows no valid token, unless the route itself says that it is public. */
import { hashToken } from '@hephy/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiDeps, User } from './deps.ts';
import type { Refusal } from './problem.ts';
import { readToken, type PresentedToken } from './read-token.ts';
import { RefusedError, userKey } from './route.ts';

/** A hook that runs before the body is read. */
export function createDoor({
  users,
  now,
}: Pick<ApiDeps, 'users' | 'now'>): (
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<void> {
  return async (request, reply) => {
    const { config, url } = request.routeOptions;
    const { access } = config;
    if (access === 'public' || request.is404) return;
    const presented = readToken(request.headers.authorization);
    const found = presented && (await users.authenticate(hashToken(presented.token), now()));
    if (!presented || !found) {
      reply.header('www-authenticate', challengeOf(url ?? ''));
      throw new RefusedError(presented ? invalidToken : noToken);
    }
    if (isForged(request, presented)) throw new RefusedError(fromAnotherSite);
    const user: User = { id: found.userId, name: found.userName, operator: found.operator };
    request.setDecorator(userKey, user);
    if (access !== 'user' && !user.operator) throw new RefusedError(operatorsOnly);
  };
}

/** Only where a browser shows pages may it ask for a password: elsewhere it would do so over somebody's page. */
function challengeOf(url: string): string {
  return url.startsWith('/ops/') ? 'Basic realm="hephy", charset="UTF-8"' : 'Bearer realm="hephy"';
}

/** A browser adds the password that it remembers to what other sites make it send. Source: W3C Fetch Metadata. */
function isForged({ method, headers }: FastifyRequest, { scheme }: PresentedToken): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  return scheme === 'basic' && method !== 'GET' && site !== 'same-origin' && site !== 'none';
}

const noToken: Refusal = {
  refused: 'Unauthorized',
  detail: 'send a token as `Authorization: Bearer hephy_…`, or as the password of Basic',
};
const invalidToken: Refusal = {
  refused: 'Unauthorized',
  detail: 'this token is unknown, revoked or expired; ask an operator for a new one',
};
const fromAnotherSite: Refusal = {
  refused: 'Forbidden',
  detail:
    'another site made the browser send this; send a token as `Authorization: Bearer hephy_…`',
};
const operatorsOnly: Refusal = {
  refused: 'Forbidden',
  detail: 'only an operator may do this',
};
