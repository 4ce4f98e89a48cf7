/** Every answer that is not a success. Source: RFC 9457, "Problem Details for HTTP APIs". */
import { z } from 'zod';

/** The closed list of problem codes; clients switch on them, so a name is never reused for something else. */
export const problemKinds = {
  BadRequest: { status: 400, title: 'The request cannot be read' },
  InvalidRequest: { status: 400, title: 'The request is not valid' },
  Unauthorized: { status: 401, title: 'A valid token is needed' },
  Forbidden: { status: 403, title: 'You do not hold the right for this' },
  NotFound: { status: 404, title: 'There is no such thing here' },
  NotAcceptable: { status: 406, title: 'None of the accepted media types can be sent' },
  NameTaken: { status: 409, title: 'The name is taken' },
  AppBusy: { status: 409, title: 'The app has a build that has not ended' },
  BuildEnded: { status: 409, title: 'The build has ended' },
  TooLateToCancel: { status: 409, title: 'The build has gone too far to be canceled' },
  NothingToDeliver: { status: 409, title: 'The build has nothing to deliver' },
  PayloadTooLarge: { status: 413, title: 'The body is too large' },
  UnsupportedMediaType: { status: 415, title: 'The body is not JSON' },
  RateLimited: { status: 429, title: 'Too many requests' },
  InternalError: { status: 500, title: 'A mistake of the service' },
  Unavailable: { status: 503, title: 'The service cannot answer now' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problemKinds;

const problemCodes = Object.keys(problemKinds) as [ProblemCode, ...ProblemCode[]];

export const Problem = z
  .object({
    type: z.string().meta({ description: 'A stable URI path, one for each code.' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().meta({ description: 'One sentence: what is wrong, and the next step.' }),
    code: z.enum(problemCodes),
    requestId: z.string().meta({ description: 'Names this request in the log of the service.' }),
    errors: z
      .array(
        z.object({
          pointer: z.string().meta({
            description: 'JSON pointer into the body, or into `params`, `query` or `headers`.',
          }),
          message: z.string(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

export const problemMediaType = 'application/problem+json';

/** A known refusal, as a value: what a handler answers instead of a success. */
export interface Refusal {
  readonly refused: ProblemCode;
  readonly detail: string;
  readonly errors?: { pointer: string; message: string }[];
  readonly retryAfterSeconds?: number;
}

export function problemOf(refusal: Refusal, requestId: string): Problem {
  const { status, title } = problemKinds[refusal.refused];
  return {
    type: `/problems/${refusal.refused}`,
    title,
    status,
    detail: refusal.detail,
    code: refusal.refused,
    requestId,
    ...(refusal.errors && { errors: refusal.errors }),
  };
}
