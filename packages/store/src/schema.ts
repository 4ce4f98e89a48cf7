/** The tables, as Kysely sees them. `migrations/` makes them; times are `timestamptz`, counters `bigint` read as numbers. */
import type {
  AppSettings,
  BuildEvent,
  BuildPlan,
  BuildState,
  Failure,
  PlatformNodes,
  Right,
} from '@hephy/core';
import type { WorkKind, WorkResult, WorkState } from '@hephy/core';
import type { ColumnType, Generated, GeneratedAlways, Selectable } from 'kysely';

/** Written as JSON text (`storableJson`), read as a value. */
type Json<T> = ColumnType<T, string, string>;

export interface Schema {
  users: UsersTable;
  tokens: TokensTable;
  apps: AppsTable;
  members: MembersTable;
  builds: BuildsTable;
  work: WorkTable;
  output: OutputTable;
  releases: ReleasesTable;
  tags: TagsTable;
  repository_locks: RepositoryLocksTable;
  source_grants: SourceGrantsTable;
  seen_platforms: SeenPlatformsTable;
}

export interface UsersTable {
  id: string;
  name: string;
  operator: boolean;
  created_at: Date;
}

export interface TokensTable {
  id: string;
  user_id: string;
  name: string;
  /** sha256 of the token, hexadecimal; the token itself is stored nowhere. */
  hash: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

export interface AppsTable {
  id: string;
  /** Unique among the apps that are not deleted. */
  name: string;
  settings: Json<AppSettings>;
  hook_secret: string | null;
  created_at: Date;
  deleted_at: Date | null;
  last_build_number: Generated<number>;
  last_release_version: Generated<number>;
}

export interface MembersTable {
  app_id: string;
  user_id: string;
  held_right: Right;
}

export interface BuildsTable {
  id: string;
  app_id: string;
  number: number;
  sha: string;
  ref: string;
  /** Where the ref was when the push came; all zeros for a new ref, null for a build that no push asked for. */
  old_sha: string | null;
  pushed_by: string;
  /** What the pusher was told beside the build, such as which branch became the deploy branch. */
  note: string | null;
  source_sha256: string;
  source_size_bytes: number;
  plan: Json<BuildPlan>;
  state: BuildState;
  failure: Json<Failure> | null;
  cancel_at: Date | null;
  cancel_by: string | null;
  cancel_reason: string | null;
  cancel_superseded: Generated<boolean>;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  deadline_at: Date;
  ask_again_at: Date;
  /** Whether success moves `ref` to `sha`; not so for a rebuild. */
  moves_ref: boolean;
  ref_moved_at: Date | null;
  /** Unique for the app: the request that asked for this build, if it gave itself a name. */
  request_key: string | null;
  version: Generated<number>;
  /** The sequence number of the newest entry in `output`. */
  last_seq: Generated<number>;
  /** Bytes of log that the builders wrote, those beyond the limit included. */
  log_bytes: Generated<number>;
}

export interface WorkTable {
  build_id: string;
  app_id: string;
  kind: WorkKind;
  name: string;
  /** The order of making. */
  position: GeneratedAlways<number>;
  image: string | null;
  platform: string | null;
  delivery_id: string | null;
  state: WorkState;
  attempt: number;
  not_before: Date | null;
  lease_owner: string | null;
  lease_until: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  failure: Json<Failure> | null;
  /** Of the attempts before this one. */
  past_failures: ColumnType<readonly Failure[], string | undefined, string>;
  result: Json<WorkResult> | null;
  /** Where the stored log of this attempt ends, in bytes of the builder's own log. */
  log_offset: Generated<number>;
}

/** Either an event, or a log piece of an image and platform. */
export interface OutputTable {
  build_id: string;
  seq: number;
  at: Date;
  event: Json<BuildEvent> | null;
  image: string | null;
  platform: string | null;
  text: string | null;
}

export interface ReleasesTable {
  build_id: string;
  app_id: string;
  version: number;
  created_at: Date;
}

/** The newest build that was about to move each tag. */
export interface TagsTable {
  repository: string;
  tag: string;
  build_number: number;
  /** The last move that it was asked to make, from one image to another, was made. */
  proven: Generated<boolean>;
}

export interface RepositoryLocksTable {
  repository: string;
  owner: string;
  until: Date;
}

export interface SourceGrantsTable {
  /** sha256 of the token, hexadecimal; the token itself is stored nowhere. */
  token_hash: string;
  sha256: string;
  size_bytes: number;
  expires_at: Date;
  /** sha256 of what the fetcher calls itself, once there is one. */
  fetcher_hash: string | null;
}

export interface SeenPlatformsTable {
  only_row: Generated<boolean>;
  platforms: Json<readonly PlatformNodes[]>;
  seen_at: Date;
}

export type BuildRow = Selectable<BuildsTable>;
export type WorkRow = Selectable<WorkTable>;
