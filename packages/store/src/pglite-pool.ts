/**
 * PGlite behind the face of a pool, for Kysely's own PostgreSQL dialect. No community dialect vouches for PGlite 0.5
 * (kysely-pglite-dialect: 0.2 to 0.4). PGlite is one connection: whoever has it (a statement or a whole transaction)
 * has it alone, the others wait in line, and give up after `waitTimeoutMs`.
 */
import type { PGlite } from '@electric-sql/pglite';
import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';

export function poolOfPglite(
  pglite: PGlite,
  { waitTimeoutMs }: { waitTimeoutMs: number },
): PostgresPool {
  const line = makeLine(waitTimeoutMs);
  return {
    options: {},
    async connect() {
      await line.enter();
      return clientOf(pglite, line.leave);
    },
    async end() {
      await line.enter();
      await pglite.close();
    },
  };
}

function clientOf(pglite: PGlite, release: () => void): PostgresPoolClient {
  async function query<R>(
    statement: unknown,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<R>> {
    if (typeof statement !== 'string') throw new Error('PGlite has no cursors');
    const { rows, affectedRows } = await pglite.query<R>(statement, [...parameters]);
    // Kysely reads the command only to learn whether the count is of changed rows; for a select PGlite counts 0.
    return { command: 'UPDATE', rowCount: affectedRows ?? 0, rows };
  }
  return { query: query as PostgresPoolClient['query'], release };
}

interface Waiter {
  readonly go: () => void;
}

function makeLine(waitTimeoutMs: number): { enter: () => Promise<void>; leave: () => void } {
  const waiting = new Set<Waiter>();
  let taken = false;
  return {
    enter() {
      if (!taken) {
        taken = true;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(waiter);
          reject(new Error(`the database was busy for more than ${waitTimeoutMs} ms`));
        }, waitTimeoutMs);
        const waiter: Waiter = {
          go: () => {
            clearTimeout(timer);
            resolve();
          },
        };
        waiting.add(waiter);
      });
    },
    leave() {
      const [next] = waiting;
      if (!next) {
        taken = false;
        return;
      }
      waiting.delete(next);
      next.go();
    },
  };
}
