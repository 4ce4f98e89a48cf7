import type { BuildEvent, BuildPlan, SourceRef } from '@hephy/core';
import { sql, type Kysely } from 'kysely';
import { isLive } from './live.ts';
import type { Schema } from './schema.ts';
import { storableJson, storableText } from './stored-text.ts';

export interface AcceptedPush {
  /** The build's id. */
  readonly id: string;
  readonly appId: string;
  readonly userName: string;
  readonly ref: string;
  /** Where the ref is now; all zeros if the push makes it, null if no push asks for this build. */
  readonly oldSha: string | null;
  readonly newSha: string;
  readonly source: SourceRef;
  readonly plan: BuildPlan;
  readonly deadlineAt: Date;
  readonly at: Date;
  readonly note?: string;
  /** Whether the ref is moved after success: true unless said otherwise. A rebuild moves none. */
  readonly movesRef?: boolean;
  /** Names the request that asks for this build: asked again under the same one, the app's same build answers. */
  readonly requestKey?: string;
}

export type PushAnswer =
  | {
      readonly ok: true;
      readonly number: number;
      readonly version: number;
      /** The build that the same request has made before; nothing was made now. */
      readonly repeatedId?: string;
    }
  | { readonly ok: false; readonly why: 'Busy'; readonly runningNumber: number };

/** A ref that has to be moved to `sha`, because its build succeeded. */
export interface UnmovedRef {
  readonly buildId: string;
  readonly appId: string;
  readonly appName: string;
  readonly ref: string;
  readonly oldSha: string | null;
  readonly sha: string;
}

export interface Pushes {
  /** Makes the build of a push or a rebuild, unless another build of the app has not ended yet. */
  acceptPush(push: AcceptedPush): Promise<PushAnswer>;
  /** The newest for each app (or for one) and ref. Older ones are of no interest: a ref never goes back. */
  listUnmovedRefs(appId?: string): Promise<UnmovedRef[]>;
  /**
   * Notes that the ref is where this build, and so every older one of the same ref, wanted it. An app that has no deploy
   * branch yet takes the ref's: its first push chose it.
   */
  markRefMoved(buildId: string, at: Date): Promise<void>;
}

export function createPushes(db: Kysely<Schema>): Pushes {
  return {
    acceptPush: (push) => db.transaction().execute((tx) => acceptPush(tx, push)),
    listUnmovedRefs: (appId) => listUnmovedRefs(db, appId),
    markRefMoved: (buildId, at) => markRefMoved(db, buildId, at),
  };
}

async function acceptPush(tx: Kysely<Schema>, push: AcceptedPush): Promise<PushAnswer> {
  // The app's row is the lock between pushes; the partial unique index on live builds stands behind it.
  const app = await tx
    .selectFrom('apps')
    .select(['name', 'last_build_number'])
    .where('id', '=', push.appId)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (!app) throw new Error(`no app ${push.appId} to build`);
  const repeated = await findRepeated(tx, push);
  if (repeated) return { ok: true, ...repeated };
  const running = await tx
    .selectFrom('builds')
    .select('number')
    .where('app_id', '=', push.appId)
    .where(isLive)
    .executeTakeFirst();
  if (running) return { ok: false, why: 'Busy', runningNumber: running.number };
  const number = app.last_build_number + 1;
  return { ok: true, number, version: await insertBuild(tx, push, { number, appName: app.name }) };
}

async function findRepeated(
  tx: Kysely<Schema>,
  { appId, requestKey }: AcceptedPush,
): Promise<{ repeatedId: string; number: number; version: number } | undefined> {
  if (requestKey === undefined) return undefined;
  return tx
    .selectFrom('builds')
    .select(['id as repeatedId', 'number', 'version'])
    .where('app_id', '=', appId)
    .where('request_key', '=', requestKey)
    .executeTakeFirst();
}

async function insertBuild(
  tx: Kysely<Schema>,
  push: AcceptedPush,
  { number, appName }: { number: number; appName: string },
): Promise<number> {
  const event: BuildEvent = {
    type: 'build.queued',
    number,
    appName,
    sha: push.newSha,
    platforms: [...new Set(push.plan.images.flatMap(({ platforms }) => platforms))],
  };
  const { version } = await tx
    .with('counted', (query) =>
      query.updateTable('apps').set({ last_build_number: number }).where('id', '=', push.appId),
    )
    .with('b', (query) =>
      query
        .insertInto('builds')
        .values({ ...columnsOf(push), number, last_seq: 1 })
        .returning(['id', 'version']),
    )
    .with('told', (query) =>
      query
        .insertInto('output')
        .columns(['build_id', 'seq', 'at', 'event'])
        .expression((eb) =>
          eb
            .selectFrom('b')
            .select([
              'b.id',
              sql<number>`1`.as('seq'),
              sql<Date>`${push.at}::timestamptz`.as('at'),
              sql<string>`${storableJson(event)}::jsonb`.as('event'),
            ]),
        ),
    )
    .selectFrom('b')
    .select('version')
    .executeTakeFirstOrThrow();
  return version;
}

function columnsOf(push: AcceptedPush) {
  return {
    id: push.id,
    app_id: push.appId,
    sha: push.newSha,
    ref: push.ref,
    old_sha: push.oldSha,
    pushed_by: push.userName,
    note: push.note === undefined ? null : storableText(push.note),
    source_sha256: push.source.sha256,
    source_size_bytes: push.source.sizeBytes,
    plan: storableJson(push.plan),
    state: 'queued' as const,
    created_at: push.at,
    deadline_at: push.deadlineAt,
    ask_again_at: push.at,
    moves_ref: push.movesRef ?? true,
    request_key: push.requestKey ?? null,
  };
}

/** Literals, so that the partial index `builds_ref_to_move` is used. */
const refToMove = sql<boolean>`builds.state = 'succeeded' and builds.moves_ref and builds.ref_moved_at is null`;

async function listUnmovedRefs(db: Kysely<Schema>, appId?: string): Promise<UnmovedRef[]> {
  let query = db
    .selectFrom('builds')
    .innerJoin('apps', 'apps.id', 'builds.app_id')
    .distinctOn(['builds.app_id', 'builds.ref'])
    .select([
      'builds.id',
      'builds.app_id',
      'apps.name',
      'builds.ref',
      'builds.old_sha',
      'builds.sha',
    ])
    .where(refToMove)
    .where('apps.deleted_at', 'is', null)
    .orderBy('builds.app_id')
    .orderBy('builds.ref')
    .orderBy('builds.number', 'desc');
  if (appId !== undefined) query = query.where('builds.app_id', '=', appId);
  return (await query.execute()).map((row) => ({
    buildId: row.id,
    appId: row.app_id,
    appName: row.name,
    ref: row.ref,
    oldSha: row.old_sha,
    sha: row.sha,
  }));
}

async function markRefMoved(db: Kysely<Schema>, buildId: string, at: Date): Promise<void> {
  await sql`
    with chosen as (
      update apps set settings = jsonb_set(settings, '{deployBranch}', to_jsonb(substr(builds.ref, 12)))
      from builds
      where builds.id = ${buildId} and builds.app_id = apps.id and builds.ref like 'refs/heads/%'
        and apps.settings ->> 'deployBranch' is null and ${refToMove}
    )
    update builds set ref_moved_at = ${at}::timestamptz
    from builds as moved
    where moved.id = ${buildId} and builds.app_id = moved.app_id and builds.ref = moved.ref
      and builds.number <= moved.number and ${refToMove}`.execute(db);
}
