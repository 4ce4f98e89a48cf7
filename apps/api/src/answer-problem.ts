/** The one place that turns what went wrong into an answer. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { isStoreAway } from './store-away.ts';
import { problemKinds, problemMediaType, problemOf, type Refusal } from './problem.ts';
import { RefusedError } from './route.ts';

export function answerError(
  error: FastifyError | RefusedError,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const refusal = refusalOf(error);
  const { status } = problemKinds[refusal.refused];
  if (status >= 500) request.log.error({ err: error, requestId: request.id }, 'request failed');
  answerRefusal(refusal, request, reply);
}

export function answerNotFound(request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.split('?', 1)[0] ?? '';
  const detail = `there is no ${request.method} ${path.slice(0, 200)}; /openapi.json lists what there is`;
  answerRefusal({ refused: 'NotFound', detail }, request, reply);
}

function answerRefusal(refusal: Refusal, request: FastifyRequest, reply: FastifyReply): void {
  if (refusal.retryAfterSeconds !== undefined) {
    void reply.header('retry-after', String(refusal.retryAfterSeconds));
  }
  void reply
    .code(problemKinds[refusal.refused].status)
    .header('x-request-id', request.id)
    .type(problemMediaType)
    .send(problemOf(refusal, request.id));
}

function refusalOf(error: FastifyError | RefusedError): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error);
  if (isStoreAway(error)) {
    const detail = 'the database does not answer now; try again in a few seconds';
    return { refused: 'Unavailable', detail, retryAfterSeconds: 5 };
  }
  if (error.code === 'FST_ERR_HANDLER_TIMEOUT') {
    const detail = 'this took too long; look whether it was done before you try again';
    return { refused: 'Unavailable', detail, retryAfterSeconds: 5 };
  }
  return refusalByStatus(error);
}

/** Fastify's own refusals: of bodies, headers and addresses. */
function refusalByStatus({ statusCode = 500, message }: FastifyError): Refusal {
  switch (statusCode) {
    case 413:
      return { refused: 'PayloadTooLarge', detail: 'a body may have 64 KiB here' };
    case 415:
      return { refused: 'UnsupportedMediaType', detail: 'send the body as application/json' };
    case 429:
      return { refused: 'RateLimited', detail: `${message}; Retry-After says how long to wait` };
    default:
      return statusCode < 500
        ? { refused: 'BadRequest', detail: message }
        : {
            refused: 'InternalError',
            detail: 'the log of the service has the details under this requestId',
          };
  }
}

function invalidRequest({ validation, validationContext = 'body' }: InvalidRequest): Refusal {
  const where = validationContext === 'querystring' ? 'query' : validationContext;
  const errors = validation.map(({ instancePath, message = 'is not valid' }) => {
    const path = instancePath === '/' ? '' : instancePath;
    return { pointer: where === 'body' ? path : `/${where}${path}`, message };
  });
  const first = errors[0];
  const place = first?.pointer === '' ? where : (first?.pointer ?? where);
  return { refused: 'InvalidRequest', detail: `${place}: ${first?.message ?? 'invalid'}`, errors };
}

interface InvalidRequest {
  readonly validation: readonly { instancePath: string; message?: string | undefined }[];
  readonly validationContext?: string | undefined;
}
