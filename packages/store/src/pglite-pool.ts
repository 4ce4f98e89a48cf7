/**
 * PGlite behind the face of a pool, for Kysely's own PostgreSQL dialect. No community dialect vouches for PGlite 0.5
 * (kysely-pglite-dialect: 0.2 to 0.4). PGlite is one connection: whoever has it (a statement or a whole transaction)
 * has it alone, the others wait in line, and give up after `waitTimeoutMs`.
 */
import type { PGlite } from '@electric-sql/pglite';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { Client } from 'pg';
import { streamOfPglite } from './pglite-stream.ts';
import { parsers } from './postgresql-pool.ts';

/** `pg` speaks to it as to a server, so that values are written and read the same way. */
export async function poolOfPglite(
  pglite: PGlite,
  { waitTimeoutMs }: { waitTimeoutMs: number },
): Promise<PostgresPool> {
  const client = new Client({
    stream: () => streamOfPglite(pglite),
    user: 'postgres',
    database: 'postgres',
    ssl: false,
    types: parsers,
  });
  // A PGlite that broke fails what runs; without a listener it would end this process.
  client.on('error', () => undefined);
  await client.connect();
  const line = makeLine(waitTimeoutMs);
  const query = queryOnce(client);
  return {
    options: {},
    async connect() {
      await line.enter();
      return { query, release: line.leave };
    },
    async end() {
      await line.enter();
      try {
        if (!pglite.closed) await pglite.close();
      } finally {
        line.leave();
      }
    },
  };
}

/** Ours are fewer; only lists of values of many lengths make more. */
const mostPrepared = 300;

/** Each text is parsed and planned once: with PGlite that is four fifths of a statement's time. */
function queryOnce(client: Client): PostgresPoolClient['query'] {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size === mostPrepared) return known;
    const name = `s${names.size}`;
    names.set(text, name);
    return name;
  };
  const query = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
    client.query({ name: nameOf(text), text, values: [...values] });
  return query as PostgresPoolClient['query'];
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
