/**
 * A route as data: who may use it, what it takes, what it answers. Everything that all routes share is made from it:
 * validation, the check of rights, the problems that it may answer, and its part of the OpenAPI document.
 */
import { z, type ZodType } from 'zod';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  Problem,
  problemKinds,
  problemMediaType,
  type ProblemCode,
  type Refusal,
} from './problem.ts';
import type { User } from './deps.ts';

/** `public` needs no token. `user` needs one; a finer check is the handler's (`forApp`, `forBuild`). */
export type Access = 'public' | 'user' | 'operator';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route without it is for operators: nothing is open by mistake. */
    access?: Access;
  }
}

export interface Success {
  readonly status: number;
  readonly body?: object | string | Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Answer = Success | Refusal;

/** What a handler is given, after validation. */
export interface Ask<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly headers: IncomingHttpHeaders;
  readonly user: User;
}

type AnswerSchema = ZodType | { description: string; content: Record<string, { schema: ZodType }> };

export interface Route<
  P extends ZodType = ZodType,
  Q extends ZodType = ZodType,
  B extends ZodType = ZodType,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly tag: 'users' | 'apps' | 'builds' | 'service';
  readonly summary: string;
  readonly access: Access;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly headers?: ZodType;
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerSchema>>;
  /** The refusals that are this route's own. */
  readonly refusals?: readonly ProblemCode[];
  /** A stream lasts as long as it lasts; everything else has `handlerTimeoutMs`. */
  readonly streams?: true;
  readonly handle: (ask: Ask<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer> | Answer;
}

/** Keeps a route's own types while it is written, and lets routes of all types share a list. */
export function route<P extends ZodType, Q extends ZodType, B extends ZodType>(
  definition: Route<P, Q, B>,
): Route {
  const { handle, ...rest } = definition;
  return {
    ...rest,
    // Sound: what arrives here has passed these very schemas.
    handle: (ask) => handle(ask as Ask<z.output<P>, z.output<Q>, z.output<B>>),
  };
}

export const userKey = 'hephyUser';

const handlerTimeoutMs = 20_000;

export function addRoute(server: FastifyInstance, definition: Route): void {
  const { method, url, tag, summary, access, params, query, body, headers } = definition;
  server.route({
    method,
    url,
    config: { access },
    ...(definition.streams ? {} : { handlerTimeout: handlerTimeoutMs }),
    schema: {
      tags: [tag],
      summary,
      operationId: operationIdOf(method, url),
      security: access === 'public' ? [] : [{ token: [] }],
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
      ...(headers && { headers }),
      response: { ...problemAnswers(definition), ...definition.answers },
    },
    handler: async (request, reply) => {
      const answer = await definition.handle(askOf(request));
      if ('refused' in answer) throw new RefusedError(answer);
      return reply
        .code(answer.status)
        .headers(answer.headers ?? {})
        .send(answer.body);
    },
  });
}

/** Carries a refusal to the one place that writes problems. */
export class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(refusal.detail, options);
    this.refusal = refusal;
  }
}

/** The body of an answer that has none. */
export const Nothing = z.null().describe('Done.');

function askOf(request: FastifyRequest): Ask {
  const { params, query, body, headers } = request;
  return { params, query, body, headers, user: request.getDecorator<User>(userKey) };
}

function problemAnswers(definition: Route): Record<number, AnswerSchema> {
  const codes: ProblemCode[] = ['InternalError', 'Unavailable', ...(definition.refusals ?? [])];
  if (definition.url.startsWith('/v1/')) codes.push('RateLimited');
  if (definition.params || definition.query || definition.body || definition.headers) {
    codes.push('InvalidRequest', 'NotFound');
  }
  if (definition.body) codes.push('PayloadTooLarge', 'UnsupportedMediaType');
  if (definition.access !== 'public') codes.push('Unauthorized', 'Forbidden');
  return Object.fromEntries(
    codes.map((code) => {
      const { status, title } = problemKinds[code];
      return [status, { description: title, content: { [problemMediaType]: { schema: Problem } } }];
    }),
  );
}

/** `get_apps_app_builds` for `GET /v1/apps/:app/builds`. */
function operationIdOf(method: string, url: string): string {
  const words = url.split(/[/:.]+/).filter((word) => word !== '' && word !== 'v1');
  return [method.toLowerCase(), ...words].join('_');
}
