import { AppSettings, type App, type Right } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import { errorCode } from './error-code.ts';
import { isLive } from './live.ts';
import type { Schema } from './schema.ts';
import { storableJson } from './stored-text.ts';

export interface Member {
  readonly userId: string;
  readonly userName: string;
  readonly right: Right;
}

export interface Apps {
  createApp(app: App): Promise<{ ok: true } | { ok: false; why: 'NameTaken' }>;
  readApp(appId: string): Promise<App | undefined>;
  findApp(name: string): Promise<App | undefined>;
  /** By name; those that the user is a member of, or all of them. `after` is the last name of the page before. */
  listApps(input: { memberId?: string; after?: string; limit: number }): Promise<App[]>;
  /** Replaces the settings; answers whether there is such an app. */
  updateSettings(appId: string, settings: AppSettings): Promise<boolean>;
  /** The app's builds stay in the record; its members and its hook secret do not. */
  deleteApp(
    appId: string,
    at: Date,
  ): Promise<{ ok: true } | { ok: false; why: 'NotFound' | 'Busy' }>;
  /** Sets or, with null, removes the secret that signs the release hook. Nothing but `readHook` gives it back. */
  setHookSecret(appId: string, secret: string | null): Promise<boolean>;
  /** Where the release hook of an app posts to, and its secret; null unless both are set. For the publisher alone. */
  readHook(appId: string): Promise<{ url: string; secret: string } | null>;
  /** Gives a user this right instead of the one held before, if any. */
  grant(input: { appId: string; userId: string; right: Right }): Promise<void>;
  revoke(input: { appId: string; userId: string }): Promise<boolean>;
  listMembers(appId: string): Promise<Member[]>;
  rightOf(userId: string, appId: string): Promise<Right | undefined>;
}

export function createApps(db: Kysely<Schema>): Apps {
  return {
    createApp: (app) => createApp(db, app),
    async readApp(appId) {
      const row = await selectApps(db).where('id', '=', appId).executeTakeFirst();
      return row && appOf(row);
    },
    async findApp(name) {
      const row = await selectApps(db).where('name', '=', name).executeTakeFirst();
      return row && appOf(row);
    },
    listApps: (input) => listApps(db, input),
    async updateSettings(appId, settings) {
      const changed = { settings: storableJson(settings) };
      return updateApp(db, appId, changed);
    },
    deleteApp: (appId, at) => db.transaction().execute((tx) => deleteApp(tx, appId, at)),
    setHookSecret: (appId, secret) => updateApp(db, appId, { hook_secret: secret }),
    readHook: (appId) => readHook(db, appId),
    ...createMembers(db),
  };
}

function selectApps(db: Kysely<Schema>) {
  return db
    .selectFrom('apps')
    .select(['apps.id', 'apps.name', 'apps.settings', 'apps.created_at'])
    .where('apps.deleted_at', 'is', null);
}

/** Settings are parsed at every reading: what an older version wrote gets today's defaults. */
function appOf(row: { id: string; name: string; settings: unknown; created_at: Date }): App {
  const settings = AppSettings.parse(row.settings);
  return { id: row.id, name: row.name, settings, createdAt: row.created_at };
}

/**
 * An app made again under a deleted one's name goes on counting: the tags in the registry and the receivers of release
 * hooks know the name alone, and a lower number would look like an older build to them.
 */
async function createApp(db: Kysely<Schema>, app: App): Promise<{ ok: true } | NameTaken> {
  try {
    await sql`
      insert into apps (id, name, settings, created_at, last_build_number, last_release_version)
      select ${app.id}, ${app.name}, ${storableJson(app.settings)}::jsonb, ${app.createdAt}::timestamptz,
        coalesce(max(last_build_number), 0), coalesce(max(last_release_version), 0)
      from apps where name = ${app.name}`.execute(db);
    return { ok: true };
  } catch (error) {
    if (errorCode(error) === uniqueViolation) return { ok: false, why: 'NameTaken' };
    throw error;
  }
}

interface NameTaken {
  readonly ok: false;
  readonly why: 'NameTaken';
}

/** Source: PostgreSQL, appendix A, error codes. */
const uniqueViolation = '23505';

async function listApps(
  db: Kysely<Schema>,
  { memberId, after, limit }: { memberId?: string; after?: string; limit: number },
): Promise<App[]> {
  let query = selectApps(db).orderBy('apps.name').limit(limit);
  if (after !== undefined) query = query.where('apps.name', '>', after);
  if (memberId !== undefined) {
    query = query.where('apps.id', 'in', (eb) =>
      eb.selectFrom('members').select('app_id').where('user_id', '=', memberId),
    );
  }
  return (await query.execute()).map(appOf);
}

async function updateApp(
  db: Kysely<Schema>,
  appId: string,
  changed: { settings: string } | { hook_secret: string | null },
): Promise<boolean> {
  const rows = await db
    .updateTable('apps')
    .set(changed)
    .where('id', '=', appId)
    .where('deleted_at', 'is', null)
    .returning('id')
    .execute();
  return rows.length === 1;
}

async function deleteApp(
  tx: Kysely<Schema>,
  appId: string,
  at: Date,
): Promise<{ ok: true } | { ok: false; why: 'NotFound' | 'Busy' }> {
  // The same lock as `acceptPush` takes: no build begins while we look.
  const app = await selectApps(tx).where('id', '=', appId).forNoKeyUpdate().executeTakeFirst();
  if (!app) return { ok: false, why: 'NotFound' };
  const running = await tx
    .selectFrom('builds')
    .select('id')
    .where('app_id', '=', appId)
    .where(isLive)
    .executeTakeFirst();
  if (running) return { ok: false, why: 'Busy' };
  await tx.deleteFrom('members').where('app_id', '=', appId).execute();
  await tx
    .updateTable('apps')
    .set({ deleted_at: at, hook_secret: null })
    .where('id', '=', appId)
    .execute();
  return { ok: true };
}

async function readHook(
  db: Kysely<Schema>,
  appId: string,
): Promise<{ url: string; secret: string } | null> {
  const row = await selectApps(db).select('hook_secret').where('id', '=', appId).executeTakeFirst();
  const url = row && appOf(row).settings.hookUrl;
  return url && row.hook_secret !== null ? { url, secret: row.hook_secret } : null;
}

function createMembers(
  db: Kysely<Schema>,
): Pick<Apps, 'grant' | 'revoke' | 'listMembers' | 'rightOf'> {
  return {
    async grant({ appId, userId, right }) {
      await db
        .insertInto('members')
        .values({ app_id: appId, user_id: userId, held_right: right })
        .onConflict((conflict) =>
          conflict.columns(['app_id', 'user_id']).doUpdateSet({ held_right: right }),
        )
        .execute();
    },
    async revoke({ appId, userId }) {
      const rows = await db
        .deleteFrom('members')
        .where('app_id', '=', appId)
        .where('user_id', '=', userId)
        .returning('user_id')
        .execute();
      return rows.length === 1;
    },
    listMembers: (appId) =>
      db
        .selectFrom('members')
        .innerJoin('users', 'users.id', 'members.user_id')
        .select(['users.id as userId', 'users.name as userName', 'held_right as right'])
        .where('app_id', '=', appId)
        .orderBy('users.name')
        .execute(),
    async rightOf(userId, appId) {
      const row = await db
        .selectFrom('members')
        .select('held_right')
        .where('app_id', '=', appId)
        .where('user_id', '=', userId)
        .executeTakeFirst();
      return row?.held_right;
    },
  };
}
