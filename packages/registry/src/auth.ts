/**
 * How a request gets its Authorization header. Nothing is sent until the registry asks: its 401 names the
 * ways (`learn`), and from then on each request carries Basic, or a token for exactly its scopes
 * (`headerFor`). Tokens are kept until shortly before they end; a 401 drops the token that was used, and
 * has the credentials renewed.
 * Sources: distribution's token specification, OAuth2 included; RFC 6750, RFC 7617.
 */
import { z } from 'zod';
import { parseChallenges } from './challenge.ts';
import { classifyAnswer, oneHeader, parseJson } from './classify.ts';
import { redactUrl, RegistryFailure } from './failure.ts';
import type { Http, HttpAnswer, HttpRequest } from './http.ts';
import type { RegistryLimits } from './limits.ts';
import { mayAskForToken } from './origin.ts';

export interface RegistryCredentials {
  /** `identityTokenUser` says that the password is a token, which stands for a user. */
  readonly username: string;
  readonly password: string;
}

export const identityTokenUser = '<token>';

/** Undefined means anonymous. `renew`: what was answered last has just been refused. */
export type CredentialSource = (asked: {
  readonly renew: boolean;
}) => Promise<RegistryCredentials | undefined>;

export interface AuthDeps {
  readonly registry: URL;
  readonly credentials: CredentialSource | undefined;
  readonly http: Http;
  readonly limits: RegistryLimits;
  readonly now: () => number;
}

export interface Authorizer {
  /** The header for these scopes, or undefined as long as the registry has asked for none. */
  headerFor(scopes: readonly string[]): Promise<string | undefined>;
  /** Takes in a 401's challenges; `refused` is the header that was not enough. Throws when none is usable. */
  learn(answer: HttpAnswer, refused: string | undefined): void;
}

interface BearerScheme {
  readonly kind: 'bearer';
  readonly realm: URL;
  readonly service: string | undefined;
}
type Scheme = { readonly kind: 'basic' } | BearerScheme;
interface Token {
  readonly header: string;
  readonly endsAtMs: number;
}

/** `expires_in` is 60 when left out. Source: distribution's token specification. */
const TokenAnswer = z.object({
  token: z.string().min(1).optional(),
  access_token: z.string().min(1).optional(),
  expires_in: z.number().positive().optional(),
});
const mostTokens = 1000;

export function createAuthorizer(deps: AuthDeps): Authorizer {
  let scheme: Scheme | undefined;
  let isRefused = false;
  const credentials = async (renew: boolean) => deps.credentials?.({ renew });
  /** Both by scopes; `asking` makes parallel requests ask for one token. */
  const tokens = new Map<string, Token>();
  const asking = new Map<string, Promise<Token>>();

  async function bearerFor(bearer: BearerScheme, scopes: readonly string[]): Promise<string> {
    const key = scopes.join(' ');
    const kept = tokens.get(key);
    if (kept && kept.endsAtMs > deps.now()) return kept.header;
    const asked = asking.get(key) ?? newToken(bearer, scopes).finally(() => asking.delete(key));
    asking.set(key, asked);
    const token = await asked;
    if (tokens.size >= mostTokens) tokens.clear();
    tokens.set(key, token);
    return token.header;
  }

  /** A token service that refuses what was right an hour ago is shown what is right now, once. */
  async function newToken(bearer: BearerScheme, scopes: readonly string[]): Promise<Token> {
    const known = await credentials(false);
    try {
      return await askForToken({ bearer, scopes, known }, deps);
    } catch (error) {
      if (!(error instanceof RegistryFailure) || error.status !== 401) throw error;
      const renewed = await credentials(true);
      if (!renewed || renewed.password === known?.password) throw error;
      return askForToken({ bearer, scopes, known: renewed }, deps);
    }
  }

  return {
    async headerFor(scopes) {
      if (!scheme) return undefined;
      if (scheme.kind === 'bearer') return bearerFor(scheme, scopes);
      const renew = isRefused;
      isRefused = false;
      return basicHeader(await credentials(renew), deps);
    },
    learn(answer, refused) {
      scheme = chooseScheme(answer, deps.registry);
      isRefused = refused !== undefined;
      for (const [key, { header }] of tokens) if (header === refused) tokens.delete(key);
    },
  };
}

/** Bearer before Basic: it shows the password to the token service alone. */
function chooseScheme(answer: HttpAnswer, registry: URL): Scheme {
  const challenges = parseChallenges(oneHeader(answer.headers['www-authenticate']) ?? '');
  for (const { scheme, parameters } of challenges) {
    if (scheme !== 'bearer') continue;
    const realm = URL.parse(parameters.get('realm') ?? '');
    if (realm && mayAskForToken(registry, realm)) {
      return { kind: 'bearer', realm, service: parameters.get('service') };
    }
  }
  if (challenges.some(({ scheme }) => scheme === 'basic')) return { kind: 'basic' };
  throw unauthorized(registry, 'it offers no way to log in that we may use');
}

function basicHeader(known: RegistryCredentials | undefined, { registry }: AuthDeps): string {
  if (!known)
    throw unauthorized(registry, 'it asks for a user and password, and none are configured');
  return basicOf(known);
}

function basicOf({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

interface TokenQuestion {
  readonly bearer: BearerScheme;
  readonly scopes: readonly string[];
  readonly known: RegistryCredentials | undefined;
}

async function askForToken(
  question: TokenQuestion,
  { http, limits, now }: AuthDeps,
): Promise<Token> {
  const askedAtMs = now();
  const request = tokenRequest(question);
  const answer = await http.send(request);
  const body = new TextDecoder().decode(await answer.read(limits.errorBytes));
  if (answer.status !== 200) throw classifyAnswer({ ...answer, body }, now());
  const parsed = TokenAnswer.safeParse(parseJson(body));
  const token = parsed.data?.token ?? parsed.data?.access_token;
  if (!token) throw unauthorized(request.url, 'its token service answered without a token');
  const lifeMs = (parsed.data?.expires_in ?? 60) * 1000;
  // Leave before the end: the token has to live until the registry has read it.
  return { header: `Bearer ${token}`, endsAtMs: askedAtMs + lifeMs * 0.9 };
}

function tokenRequest({ bearer, scopes, known }: TokenQuestion): HttpRequest {
  const { realm, service } = bearer;
  const of = service === undefined ? {} : { service };
  if (known?.username === identityTokenUser) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'hephy-builder',
      ...of,
      scope: scopes.join(' '),
      refresh_token: known.password,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: Buffer.from(form.toString()) };
  }
  const url = new URL(realm);
  const parameters = [...Object.entries(of), ...scopes.map((scope) => ['scope', scope])];
  for (const [name = '', value = ''] of parameters) url.searchParams.append(name, value);
  return { method: 'GET', url, headers: known ? { authorization: basicOf(known) } : {} };
}

function unauthorized(url: URL, why: string): RegistryFailure {
  return new RegistryFailure(`${url.host} refuses us: ${why}`, {
    reason: 'RegistryUnauthorized',
    temporary: false,
    method: 'GET',
    url: redactUrl(url),
  });
}
