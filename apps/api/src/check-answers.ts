/** Holds every answer against the OpenAPI document, and notes which routes were asked. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { z } from 'zod';
import { send, type Sent } from './test-rig.ts';

const Document = z.looseObject({
  openapi: z.string(),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        summary: z.string(),
        responses: z.record(
          z.string(),
          z.looseObject({ content: z.record(z.string(), z.unknown()).optional() }),
        ),
      }),
    ),
  ),
});
type Document = z.infer<typeof Document>;

export type Called = Awaited<ReturnType<typeof send>>;

export interface CheckedServer {
  readonly document: Document;
  /** `GET /v1/apps/{app}` of each that was asked. */
  readonly exercised: ReadonlySet<string>;
  call(sent: Sent): Promise<Called>;
}

export async function checkAnswers(server: FastifyInstance): Promise<CheckedServer> {
  const served = await send(server, { method: 'GET', url: '/openapi.json' });
  const document = Document.parse(served.json());
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'document');
  const exercised = new Set<string>();
  return {
    document,
    exercised,
    async call(sent) {
      const answer = await send(server, sent);
      const path = pathOf(sent, document);
      expect(problemsOf(answer, { sent, path, document, ajv })).toEqual([]);
      exercised.add(`${sent.method} ${path}`);
      return answer;
    },
  };
}

function problemsOf(
  answer: Called,
  at: { sent: Sent; path: string; document: Document; ajv: Ajv2020 },
): string[] {
  const { statusCode, body } = answer;
  const method = at.sent.method.toLowerCase();
  const told = `${method} ${at.path} answered ${statusCode}: ${body.slice(0, 300)}`;
  const described = at.document.paths[at.path]?.[method]?.responses[statusCode];
  if (!described) return [`${told}, which is not described`];
  if (body === '') return [];
  const [media = ''] = String(answer.headers['content-type']).split(';', 1);
  if (!described.content?.[media]) return [`${told} as ${media}, which is not described`];
  if (!media.endsWith('json')) return [];
  const steps = ['paths', at.path, method, 'responses', String(statusCode), 'content', media];
  const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('/', '~1'))).join('/');
  const valid = at.ajv.validate({ $ref: `document#/${pointer}/schema` }, answer.json());
  return valid ? [] : [`${told}: ${at.ajv.errorsText()}`];
}

/** The described path that a request means; one without parameters is meant first. */
function pathOf({ method, url }: Sent, { paths }: Document): string {
  const [asked = ''] = url.split('?', 1);
  const matching = Object.keys(paths)
    .filter((path) => method.toLowerCase() in (paths[path] ?? {}))
    .filter((path) => new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(asked));
  const path = matching.find((one) => one === asked) ?? matching[0];
  if (!path) throw new Error(`${method} ${url} is not described`);
  return path;
}
