/** Bull Board, to look at the queues and to change nothing: for operators, who sign in with their token as the password. */
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { answerError } from './answer-problem.ts';
import type { ApiDeps } from './deps.ts';
import type { Refusal } from './problem.ts';
import { RefusedError, type Access } from './route.ts';

const path = '/ops/queues';
/** While Redis is away its commands wait; a page must not. */
const answerMs = 10_000;

export async function addBullBoard(
  server: FastifyInstance,
  { bullBoardQueues }: Pick<ApiDeps, 'bullBoardQueues'>,
): Promise<void> {
  const serverAdapter = new FastifyAdapter();
  createBullBoard({
    queues: bullBoardQueues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter,
    options: { uiConfig: { boardTitle: 'hephy queues' } },
  });
  serverAdapter.setBasePath(path);
  await server.register(async (scope) => {
    const access: Access = 'operator';
    scope.addHook('onRoute', (routeOptions) => {
      routeOptions.config = { ...routeOptions.config, access };
      routeOptions.handlerTimeout = answerMs;
      // Bull Board's own would answer the door's refusals with 500 and a stack.
      routeOptions.errorHandler = answerBoardError;
    });
    await scope.register(serverAdapter.registerPlugin(), { prefix: path });
  });
}

/** What fails behind the door is Redis: the board does nothing but read it. */
function answerBoardError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const known = error instanceof RefusedError || error.statusCode !== undefined;
  const answered = known ? error : new RefusedError(redisAway, { cause: error });
  answerError(answered, request, reply);
}

const redisAway: Refusal = {
  refused: 'Unavailable',
  detail: 'Redis does not answer now; builds go on from the record as soon as it does',
  retryAfterSeconds: 5,
};
