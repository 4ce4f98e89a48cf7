import { sql, type Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export interface User {
  readonly id: string;
  readonly name: string;
  /** An operator holds every right on every app. */
  readonly operator: boolean;
  readonly createdAt: Date;
}

export interface TokenFacts {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  /** Exact to a minute. */
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

export interface Users {
  createUser(user: User): Promise<{ ok: true } | { ok: false; why: 'NameTaken' }>;
  findUser(name: string): Promise<User | undefined>;
  listUsers(): Promise<User[]>;
  /** `hash` is `hashToken`'s answer; the token itself is never stored. */
  createToken(input: {
    id: string;
    userId: string;
    name: string;
    hash: string;
    createdAt: Date;
    expiresAt?: Date;
  }): Promise<void>;
  listTokens(userId: string): Promise<TokenFacts[]>;
  /** Answers whether the user had such a token, not revoked yet. */
  revokeToken(input: { userId: string; tokenId: string; at: Date }): Promise<boolean>;
  /** Who a token is, unless it is unknown, revoked or expired. */
  authenticate(
    tokenHash: string,
    now: Date,
  ): Promise<{ userId: string; userName: string; operator: boolean } | undefined>;
}

export function createUsers(db: Kysely<Schema>): Users {
  return {
    createUser: (user) => createUser(db, user),
    async findUser(name) {
      const row = await db
        .selectFrom('users')
        .selectAll()
        .where('name', '=', name)
        .executeTakeFirst();
      return row && userOf(row);
    },
    async listUsers() {
      return (await db.selectFrom('users').selectAll().orderBy('name').execute()).map(userOf);
    },
    async createToken({ id, userId, name, hash, createdAt, expiresAt }) {
      const dates = { created_at: createdAt, expires_at: expiresAt ?? null };
      await db
        .insertInto('tokens')
        .values({ id, user_id: userId, name, hash, ...dates })
        .execute();
    },
    listTokens: (userId) => listTokens(db, userId),
    async revokeToken({ userId, tokenId, at }) {
      const rows = await db
        .updateTable('tokens')
        .set({ revoked_at: at })
        .where('id', '=', tokenId)
        .where('user_id', '=', userId)
        .where('revoked_at', 'is', null)
        .returning('id')
        .execute();
      return rows.length === 1;
    },
    authenticate: (tokenHash, now) => authenticate(db, tokenHash, now),
  };
}

function userOf(row: { id: string; name: string; operator: boolean; created_at: Date }): User {
  return { id: row.id, name: row.name, operator: row.operator, createdAt: row.created_at };
}

async function createUser(
  db: Kysely<Schema>,
  { id, name, operator, createdAt }: User,
): Promise<{ ok: true } | { ok: false; why: 'NameTaken' }> {
  const rows = await db
    .insertInto('users')
    .values({ id, name, operator, created_at: createdAt })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .returning('id')
    .execute();
  return rows.length === 1 ? { ok: true } : { ok: false, why: 'NameTaken' };
}

function listTokens(db: Kysely<Schema>, userId: string): Promise<TokenFacts[]> {
  return db
    .selectFrom('tokens')
    .select([
      'id',
      'name',
      'created_at as createdAt',
      'expires_at as expiresAt',
      'last_used_at as lastUsedAt',
      'revoked_at as revokedAt',
    ])
    .where('user_id', '=', userId)
    .orderBy('id')
    .execute();
}

/** Reads, and notes the use at most once a minute: a git push authenticates several times in a second. */
async function authenticate(
  db: Kysely<Schema>,
  tokenHash: string,
  now: Date,
): Promise<{ userId: string; userName: string; operator: boolean } | undefined> {
  const { rows } = await sql<{ userId: string; userName: string; operator: boolean }>`
    with held as (
      select tokens.id, users.id as "userId", users.name as "userName", users.operator
      from tokens join users on users.id = tokens.user_id
      where tokens.hash = ${tokenHash} and tokens.revoked_at is null
        and (tokens.expires_at is null or tokens.expires_at > ${now}::timestamptz)
    ), used as (
      update tokens set last_used_at = ${now}::timestamptz
      from held
      where tokens.id = held.id and (tokens.last_used_at is null
        or tokens.last_used_at <= ${now}::timestamptz - interval '1 minute')
    )
    select "userId", "userName", operator from held`.execute(db);
  return rows[0];
}
