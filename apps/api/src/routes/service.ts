import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { route, type Route } from '../route.ts';

const HealthView = z
  .object({ ok: z.boolean(), checks: z.record(z.string(), z.enum(['ok', 'failed'])) })
  .meta({ id: 'Health' });

/** For probes and for clients that generate themselves: open to everybody, so they tell nothing more. */
export function serviceRoutes(
  { health }: Pick<ApiDeps, 'health'>,
  readOpenApi: () => object,
): Route[] {
  return [
    route({
      method: 'GET',
      url: '/livez',
      tag: 'service',
      summary: 'Whether this process answers',
      access: 'public',
      answers: { 200: HealthView },
      handle: () => ({ status: 200, body: { ok: true, checks: {} } }),
    }),
    route({
      method: 'GET',
      url: '/readyz',
      tag: 'service',
      summary: 'Whether this process can do its part',
      access: 'public',
      answers: { 200: HealthView, 503: HealthView },
      handle: async () => {
        const { ok, checks } = await health.ready();
        const shown = Object.entries(checks).map(([name, state]) => [
          name,
          state === 'ok' ? 'ok' : 'failed',
        ]);
        return { status: ok ? 200 : 503, body: { ok, checks: Object.fromEntries(shown) } };
      },
    }),
    route({
      method: 'GET',
      url: '/openapi.json',
      tag: 'service',
      summary: 'This document',
      access: 'public',
      answers: { 200: z.looseObject({ openapi: z.string() }) },
      handle: () => ({ status: 200, body: readOpenApi() }),
    }),
  ];
}
