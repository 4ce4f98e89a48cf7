import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Health, HealthState } from '@hephy/runtime';

/** Answers `/livez` and `/readyz`; false where the request is neither. */
export function createHealthListener(
  health: Health,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    if (request.method !== 'GET') return false;
    if (request.url === '/livez') {
      answer(response, health.live());
      return true;
    }
    if (request.url !== '/readyz') return false;
    health.ready().then(
      (state) => answer(response, state),
      () => answer(response, { ok: false, checks: {} }),
    );
    return true;
  };
}

function answer(response: ServerResponse, state: HealthState): void {
  response.writeHead(state.ok ? 200 : 503, { 'content-type': 'application/json' });
  response.end(JSON.stringify(state));
}
