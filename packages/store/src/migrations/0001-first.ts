import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** In the order of making; plain PostgreSQL 15. */
const statements = [
  sql`create table users (
    id text primary key,
    name text not null unique,
    operator boolean not null,
    created_at timestamptz not null
  )`,
  sql`create table tokens (
    id text primary key,
    user_id text not null references users on delete cascade,
    name text not null,
    hash text not null unique,
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
  )`,
  sql`create index tokens_of_user on tokens (user_id, id)`,
  sql`create table apps (
    id text primary key,
    name text not null,
    settings jsonb not null,
    hook_secret text,
    created_at timestamptz not null,
    deleted_at timestamptz,
    last_build_number bigint not null default 0,
    last_release_version bigint not null default 0
  )`,
  sql`create unique index apps_name on apps (name) where deleted_at is null`,
  sql`create index apps_name_ever on apps (name)`,
  sql`create table members (
    app_id text not null references apps on delete cascade,
    user_id text not null references users on delete cascade,
    held_right text not null check (held_right in ('reader', 'deployer', 'owner')),
    primary key (app_id, user_id)
  )`,
  sql`create index members_of_user on members (user_id)`,
  // Room in each page, because a live build's row is rewritten often.
  sql`create table builds (
    id text primary key,
    app_id text not null references apps,
    number bigint not null,
    sha text not null,
    ref text not null,
    old_sha text,
    pushed_by text not null,
    note text,
    source_sha256 text not null,
    source_size_bytes bigint not null,
    plan jsonb not null,
    state text not null check (state in ('queued', 'building', 'publishing', 'releasing', 'canceling',
      'succeeded', 'failed', 'canceled', 'superseded')),
    failure jsonb,
    cancel_at timestamptz,
    cancel_by text,
    cancel_reason text,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    deadline_at timestamptz not null,
    ask_again_at timestamptz not null,
    moves_ref boolean not null,
    ref_moved_at timestamptz,
    request_key text,
    version bigint not null default 1,
    last_seq bigint not null default 0,
    log_bytes bigint not null default 0,
    unique (app_id, number),
    unique (app_id, request_key)
  ) with (fillfactor = 70)`,
  sql`create unique index builds_one_live_per_app on builds (app_id)
    where state in ('queued', 'building', 'publishing', 'releasing', 'canceling')`,
  sql`create index builds_due on builds (ask_again_at)
    where state in ('queued', 'building', 'publishing', 'releasing', 'canceling')`,
  sql`create index builds_ref_to_move on builds (app_id, ref, number)
    where state = 'succeeded' and moves_ref and ref_moved_at is null`,
  // The lists of an app go by number, so that no planner walks down all builds, by id, in search of one app's.
  sql`create index builds_of_app_in_state on builds (app_id, state, number)`,
  sql`create index builds_of_app_ref on builds (app_id, ref, number)`,
  sql`create index builds_in_state on builds (state, id)`,
  sql`create index builds_of_ref on builds (ref, id)`,
  sql`create index builds_of_sha on builds (sha text_pattern_ops)`,
  sql`create table work (
    build_id text not null references builds on delete cascade,
    app_id text not null,
    kind text not null check (kind in ('preflight', 'platform', 'publication', 'delivery')),
    name text not null,
    position bigint generated always as identity,
    image text,
    platform text,
    delivery_id text unique,
    state text not null check (state in ('pending', 'running', 'succeeded', 'failed', 'canceled')),
    attempt integer not null,
    not_before timestamptz,
    lease_owner text,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    failure jsonb,
    result jsonb,
    log_offset bigint not null default 0,
    primary key (build_id, kind, name)
  ) with (fillfactor = 70)`,
  sql`create index deliveries_of_app on work (app_id, position) where kind = 'delivery'`,
  sql`create table output (
    build_id text not null references builds on delete cascade,
    seq bigint not null,
    at timestamptz not null,
    event jsonb,
    image text,
    platform text,
    text text,
    primary key (build_id, seq),
    check ((event is null) = (text is not null))
  )`,
  sql`create index output_events on output (build_id, seq) where event is not null`,
  sql`create table releases (
    build_id text primary key references builds on delete cascade,
    app_id text not null references apps,
    version bigint not null,
    created_at timestamptz not null,
    unique (app_id, version)
  )`,
  sql`create table tags (
    repository text not null,
    tag text not null,
    build_number bigint not null,
    primary key (repository, tag)
  )`,
  sql`create table repository_locks (
    repository text primary key,
    owner text not null,
    until timestamptz not null
  )`,
];

export const first: Migration = {
  async up(db: Kysely<unknown>) {
    for (const statement of statements) await statement.execute(db);
  },
};
