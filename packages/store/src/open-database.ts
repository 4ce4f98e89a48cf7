import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite, type PGliteOptions } from '@electric-sql/pglite';
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import { lockDirectory } from './directory-lock.ts';
import { createPgliteFromTemplate } from './pglite-template.ts';
import { poolOfPglite } from './pglite-pool.ts';
import { defaultPoolLimits, poolOfPostgresql, type PoolLimits } from './postgresql-pool.ts';
import type { Schema } from './schema.ts';

export interface OpenDatabase {
  readonly db: Kysely<Schema>;
  readonly kind: 'postgresql' | 'pglite';
  /** Waits for what runs, then closes. */
  readonly close: () => Promise<void>;
}

export type DatabasePlace =
  /** A server: `postgresql://user:password@host:port/database`. */
  | { readonly url: string }
  /**
   * PGlite, PostgreSQL inside this process: in a directory that it has alone, or in memory. With a `cacheDirectory`, all
   * but the first open quickly.
   */
  | { readonly directory: string | undefined; readonly cacheDirectory?: string };

export interface OpenOptions {
  readonly limits?: Partial<PoolLimits>;
  /** Told of connections that broke while nobody used them; the pool makes new ones by itself. */
  readonly onIdleError?: (error: Error) => void;
}

/** Opens the database; `migrate` makes its tables. A server that is down is noticed by the first statement. */
export async function openDatabase(
  place: DatabasePlace,
  options: OpenOptions = {},
): Promise<OpenDatabase> {
  const limits = { ...defaultPoolLimits, ...options.limits };
  if ('url' in place) {
    const onIdleError = options.onIdleError ?? (() => undefined);
    const db = kyselyOn(poolOfPostgresql(place.url, { limits, onIdleError }));
    return { db, kind: 'postgresql', close: () => db.destroy() };
  }
  const waitTimeoutMs = limits.answerTimeoutMs;
  if (place.directory === undefined) {
    const pglite = await createPglite({ startParams }, place.cacheDirectory);
    const pool = await poolOfPglite(pglite, { waitTimeoutMs });
    return { db: kyselyOn(pool), kind: 'pglite', close: () => pool.end() };
  }
  const { directory, cacheDirectory } = place;
  return openDirectory({ directory, cacheDirectory }, waitTimeoutMs);
}

async function openDirectory(
  { directory, cacheDirectory }: { directory: string; cacheDirectory: string | undefined },
  waitTimeoutMs: number,
): Promise<OpenDatabase> {
  const lock = await lockDirectory(directory);
  try {
    const dataDir = join(directory, 'data');
    // Not relaxed: a statement is answered once its bytes are the kernel's, so what was acknowledged outlives `kill -9`.
    // A power cut may take the last seconds: PGlite runs without fsync.
    const options = { dataDir, relaxedDurability: false, startParams };
    const pglite = existsSync(dataDir)
      ? await PGlite.create(options)
      : await createPglite(options, cacheDirectory);
    const pool = await poolOfPglite(pglite, { waitTimeoutMs });
    return {
      db: kyselyOn(pool),
      kind: 'pglite',
      async close() {
        await pool.end();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw new Error(`opening the embedded database in ${directory}`, { cause: error });
  }
}

function createPglite(options: PGliteOptions, cacheDirectory: string | undefined): Promise<PGlite> {
  return cacheDirectory === undefined
    ? PGlite.create(options)
    : createPgliteFromTemplate(options, cacheDirectory);
}

/**
 * PostgreSQL's own choice of 128 MB would be resident from the start. Every page that this process holds is also time:
 * Node starts a child with fork, which copies the page tables while everything else waits.
 */
const startParams = [...PGlite.defaultStartParams, '-c', 'shared_buffers=16MB'];

function kyselyOn(pool: PostgresPool): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
}
