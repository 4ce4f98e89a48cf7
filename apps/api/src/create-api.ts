/**
 * The REST API. Order of things for a request: rate limit (within /v1), the door (token), body and schemas, rights, the
 * handler. A stop ends the streams first: an open one would keep the server from closing.
 */
import rateLimit from '@fastify/rate-limit';
import fastify, {
  LogController,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { answerError, answerNotFound } from './answer-problem.ts';
import { createDoor } from './authenticate.ts';
import { addBullBoard } from './bull-board.ts';
import { defaultLimits, type ApiDeps, type ApiLimits } from './deps.ts';
import { createOpenStreams } from './open-streams.ts';
import { addOpenApi } from './openapi.ts';
import { addRoute, userKey, type Route } from './route.ts';
import { appPlatformRoutes } from './routes/app-platforms.ts';
import { appRoutes } from './routes/apps.ts';
import { buildActionRoutes } from './routes/build-actions.ts';
import { buildOutputRoutes } from './routes/build-output.ts';
import { buildRoutes } from './routes/builds.ts';
import { memberRoutes } from './routes/members.ts';
import { platformRoutes } from './routes/platforms.ts';
import { serviceRoutes } from './routes/service.ts';
import { userRoutes } from './routes/users.ts';

/** Answers a server that does not listen yet. `close()` ends its streams; what `deps` holds stays open. */
export async function createApi(deps: ApiDeps): Promise<FastifyInstance> {
  const limits = { ...defaultLimits, ...deps.limits };
  const server = createServer(deps, limits);
  const streams = createOpenStreams();
  server.addHook('preClose', () => streams.close(limits.streamGraceMs));
  server.addHook('preParsing', createDoor(deps));
  server.addHook('onSend', async (request, reply) => addHeaders(request, reply));
  server.addHook('onResponse', async (request, reply) => logRequest(request, reply));

  await addOpenApi(server);
  for (const route of serviceRoutes(deps, () => server.swagger())) addRoute(server, route);
  await server.register(async (scope) => {
    await scope.register(rateLimit, { max: limits.requestsPerMinute, timeWindow: 60_000 });
    for (const route of versionOneRoutes({ ...deps, limits, streams })) addRoute(scope, route);
  });
  await addBullBoard(server, deps);
  return server;
}

function versionOneRoutes(deps: Parameters<typeof buildOutputRoutes>[0]): Route[] {
  return [
    ...userRoutes(deps),
    ...appRoutes(deps),
    ...memberRoutes(deps),
    ...buildRoutes(deps),
    ...buildOutputRoutes(deps),
    ...buildActionRoutes(deps),
    ...platformRoutes(deps),
    ...appPlatformRoutes(deps),
  ];
}

function createServer({ log, newId }: ApiDeps, { maxBodyBytes }: ApiLimits): FastifyInstance {
  const server = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: newId,
    bodyLimit: maxBodyBytes,
    // A client that sends its headers or body drop by drop.
    requestTimeout: 30_000,
    frameworkErrors: answerError,
    exposeHeadRoutes: false,
    return503OnClosing: false,
  });
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.decorateRequest(userKey, null);
  server.setErrorHandler(answerError);
  server.setNotFoundHandler(answerNotFound);
  return server;
}

function addHeaders({ id, routeOptions }: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', id);
  reply.header('x-content-type-options', 'nosniff');
  if (routeOptions.url?.startsWith('/v1/')) reply.header('cache-control', 'no-store');
}

/** One line for each request. The path's own words only: a query or a header may hold what is nobody's business. */
function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { method, routeOptions, params } = request;
  const user = request.getDecorator<{ name: string } | null>(userKey)?.name;
  request.log.info(
    {
      method,
      route: routeOptions.url ?? null,
      params,
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime),
      user: user ?? null,
      address: request.ip,
    },
    'request answered',
  );
}
