/** A pool of connections to a PostgreSQL server in which nothing waits for ever. */
import { DatabaseError, Pool, types, type CustomTypesConfig, type PoolClient } from 'pg';
import type { PostgresPool, PostgresPoolClient } from 'kysely';

export interface PoolLimits {
  readonly connectTimeoutMs: number;
  /** The server gives up a statement after this. */
  readonly statementTimeoutMs: number;
  /** We give up an answer after this, and the connection with it: the server may be gone without a word. */
  readonly answerTimeoutMs: number;
}

export const defaultPoolLimits: PoolLimits = {
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 15_000,
  answerTimeoutMs: 20_000,
};

const { INT8 } = types.builtins;

/** Our counters stay far below 2^53, so `bigint` is read as a number; `pg` by itself answers text. */
export const parsers: CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === INT8 ? Number : (types.getTypeParser(oid, format) as (value: string) => unknown),
};

export function poolOfPostgresql(
  url: string,
  input: { limits: PoolLimits; onIdleError: (error: Error) => void },
): PostgresPool {
  const { limits } = input;
  const pool = new Pool({
    connectionString: url,
    application_name: 'hephy',
    max: 10,
    keepAlive: true,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    statement_timeout: limits.statementTimeoutMs,
    query_timeout: limits.answerTimeoutMs,
    // A process that stops inside a transaction must not hold its locks for longer than its leases.
    idle_in_transaction_session_timeout: limits.answerTimeoutMs,
    types: parsers,
  });
  // Without a listener, a server that restarts would end this process. The pool has dropped the connection by now.
  pool.on('error', input.onIdleError);
  return {
    options: {},
    connect: async () => clientOf(await pool.connect()),
    end: () => pool.end(),
  };
}

/** Gives no connection back to the pool on which an answer is outstanding: the next user would wait behind it. */
function clientOf(client: PoolClient): PostgresPoolClient {
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken ??= error;
  };
  client.on('error', onError);
  async function query(statement: string, parameters: readonly unknown[]): Promise<unknown> {
    if (broken) throw new Error('this database connection was given up', { cause: broken });
    try {
      return await client.query(statement, [...parameters]);
    } catch (error) {
      if (error instanceof Error && !(error instanceof DatabaseError)) onError(error);
      throw error;
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release() {
      client.off('error', onError);
      client.release(broken);
    },
  };
}
