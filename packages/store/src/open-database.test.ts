import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { startPostgres } from '../../../test/parts/postgres.ts';
import { until } from '../../../test/parts/until.ts';
import { createBuildRecords } from './build-records.ts';
import { migrate } from './migrate.ts';
import { openDatabase, type OpenDatabase } from './open-database.ts';
import { openPgliteMigrated, usePostgres } from './open-for-test.ts';

const postgres = usePostgres();

const countTables = async ({ db }: OpenDatabase): Promise<number> => {
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from pg_tables where schemaname = 'public'`.execute(db);
  return rows[0]?.count ?? 0;
};

describe('migrating', () => {
  it('is done once when ten processes start at once, and changes nothing the next time', async () => {
    const url = await postgres.server().createDatabase();
    const processes = await Promise.all(Array.from({ length: 10 }, () => openDatabase({ url })));
    await Promise.all(processes.map(({ db }) => migrate(db)));
    const [one] = processes;
    if (!one) throw new Error('none opened');
    const tables = await countTables(one);
    await migrate(one.db);
    expect(await countTables(one)).toBe(tables);
    await Promise.all(processes.map(({ close }) => close()));
  });

  it('says which migration failed, and leaves no half of it', async () => {
    const opened = await openDatabase({ url: await postgres.server().createDatabase() });
    await sql`create table repository_locks (id text)`.execute(opened.db);
    await expect(migrate(opened.db)).rejects.toThrow('migrating the database: 0001-first');
    const { rows } = await sql`select 1 from pg_tables where tablename = 'builds'`.execute(
      opened.db,
    );
    expect(rows).toEqual([]);
    await opened.close();
  });
});

describe('a server that goes away', () => {
  it('gives errors to what runs and to what comes, and tells of the idle connections', async () => {
    const server = await startPostgres();
    const idleErrors: Error[] = [];
    const url = await server.createDatabase();
    const onIdleError = (error: Error): void => void idleErrors.push(error);
    const opened = await openDatabase({ url }, { onIdleError });
    await migrate(opened.db);
    const [busy, idle] = [sql`select pg_sleep(60)`, sql`select 1`];
    const running = busy.execute(opened.db).then(() => 'answered', String);
    await idle.execute(opened.db);
    await server.crash();
    expect(await running).toMatch(/terminat/);
    // Whoever comes before the pool hears of it is given the idle connection.
    await until('the idle connection', () => idleErrors.length > 0);
    await expect(createBuildRecords(opened.db).readBuild('x')).rejects.toThrow(/connect/i);
    await opened.close();
    await server.stop();
  });

  it('ends a statement and a transaction in bounded time when the server falls silent', async () => {
    const proxy = await silentProxy(join(postgres.server().directory, '.s.PGSQL.5432'));
    const url = new URL(await postgres.server().createDatabase());
    url.searchParams.set('host', proxy.directory);
    const limits = { answerTimeoutMs: 1500, connectTimeoutMs: 1500 };
    const opened = await openDatabase({ url: url.href }, { limits });
    await sql`select 1`.execute(opened.db);
    proxy.fallSilent();
    await expect(sql`select 1`.execute(opened.db)).rejects.toThrow('timeout');
    await expect(opened.db.transaction().execute(async () => 1)).rejects.toThrow('timeout');
    await opened.close();
    await proxy.close();
  });

  it('stops a statement that runs too long, and keeps the connection', async () => {
    const url = await postgres.server().createDatabase();
    const opened = await openDatabase({ url }, { limits: { statementTimeoutMs: 1000 } });
    await expect(sql`select pg_sleep(60)`.execute(opened.db)).rejects.toThrow('statement timeout');
    await sql`select 1`.execute(opened.db);
    await opened.close();
  });
});

describe('PGlite, which has one connection', () => {
  it('runs transactions one after the other, and undoes the one that fails', async () => {
    const opened = await openPgliteMigrated();
    const { db } = opened;
    const tag = { repository: 'r', tag: 't' };
    await db
      .insertInto('tags')
      .values({ ...tag, build_number: 0 })
      .execute();
    const add = (fail: boolean): Promise<void> =>
      db.transaction().execute(async (tx) => {
        const { build_number: read } = await tx
          .selectFrom('tags')
          .select('build_number')
          .executeTakeFirstOrThrow();
        await tx
          .updateTable('tags')
          .set({ build_number: read + 1 })
          .execute();
        if (fail) throw new Error('undone');
      });
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => add(i % 2 === 1)),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(await db.selectFrom('tags').selectAll().execute()).toEqual([
      { ...tag, build_number: 10, proven: false },
    ]);
    await opened.close();
  });

  it('does not let a statement wait for ever behind a transaction', async () => {
    const limits = { answerTimeoutMs: 100 };
    const opened = await openDatabase({ directory: undefined }, { limits });
    const release = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const holding = opened.db.transaction().execute(async () => {
      begun.resolve();
      await release.promise;
    });
    await begun.promise;
    await expect(sql`select 1`.execute(opened.db)).rejects.toThrow('busy for more than 100 ms');
    release.resolve();
    await holding;
    await sql`select 1`.execute(opened.db);
    await opened.close();
  });
});

/** Passes PostgreSQL's socket on, until it falls silent: then it takes everything and answers nothing. */
async function silentProxy(socket: string) {
  const directory = await mkdtemp(join(tmpdir(), 'hephy-silent-'));
  const sockets = new Set<net.Socket>();
  let silent = false;
  const server = net.createServer((client) => {
    const upstream = net.connect(socket);
    for (const side of [client, upstream]) {
      sockets.add(side);
      side.on('error', () => side.destroy());
      side.on('close', () => sockets.delete(side));
    }
    client.on('data', (bytes) => silent || upstream.write(bytes));
    upstream.on('data', (bytes) => silent || client.write(bytes));
    client.on('end', () => upstream.end());
  });
  server.listen(join(directory, '.s.PGSQL.5432'));
  await once(server, 'listening');
  return {
    directory,
    fallSilent: () => {
      silent = true;
    },
    async close() {
      for (const side of sockets) side.destroy();
      server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
