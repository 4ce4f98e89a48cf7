import { z } from 'zod';
import { UserError, type Server } from './contexts.ts';

const Problem = z.object({
  title: z.string(),
  detail: z.string().optional(),
  code: z.string().optional(),
});

export interface ApiClient {
  /** Sends JSON, and parses the answer. A refusal is a `UserError` with the API's own sentence. */
  call<T>(
    schema: z.ZodType<T>,
    method: string,
    request: { path: string; body?: unknown },
  ): Promise<T>;
  /** The answer as it comes; its body is the caller's to read. */
  stream(path: string, headers: Record<string, string>): Promise<Response>;
}

const timeoutMs = 20_000;
const unknownAnswer =
  'does not answer as this version of hephy expects; is it the API of a server?';

export function createApiClient({ apiUrl, token }: Pick<Server, 'apiUrl' | 'token'>): ApiClient {
  const headers = { authorization: `Bearer ${token}` };
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(new URL(path, apiUrl), init).catch((cause: unknown) => {
      throw new UserError(`${apiUrl} does not answer; is the service up? (npm start)`, { cause });
    });
    if (!response.ok) throw await refusal(response);
    return response;
  };
  return {
    async call(schema, method, { path, body }) {
      const response = await send(path, {
        method,
        signal: AbortSignal.timeout(timeoutMs),
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const answer = response.status === 204 ? undefined : await readJson(response);
      const { success, data, error } = schema.safeParse(answer);
      if (success) return data;
      throw new UserError(`${apiUrl} ${unknownAnswer}`, { cause: error });
    },
    stream: (path, extra) => send(path, { headers: { ...headers, ...extra } }),
  };
}

async function refusal(response: Response): Promise<UserError> {
  const text = (await response.text()).slice(0, 4096);
  try {
    const problem = Problem.parse(JSON.parse(text));
    return new UserError(problem.detail ?? problem.title);
  } catch {
    return new UserError(
      `${response.url} answered ${response.status}; is it the API of a hephy server?`,
    );
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new UserError(`${response.url} ${unknownAnswer}`, { cause });
  }
}
