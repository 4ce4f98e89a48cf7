export {
  openDatabase,
  type DatabasePlace,
  type OpenDatabase,
  type OpenOptions,
} from './open-database.ts';
export { DirectoryInUse, lockDirectory, type DirectoryLock } from './directory-lock.ts';
export { preparePglite } from './pglite-template.ts';
export { migrate } from './migrate.ts';
export type { Schema } from './schema.ts';
export { createBuildRecords, type BuildRecordsOptions } from './build-records.ts';
export {
  createPushes,
  type AcceptedPush,
  type PushAnswer,
  type Pushes,
  type UnmovedRef,
} from './pushes.ts';
export { createApps, type Apps, type Member } from './apps.ts';
export { createDeliveries, type Deliveries, type ReopenAnswer } from './deliveries.ts';
export { createUsers, type TokenFacts, type User, type Users } from './users.ts';
export { createSourceGrants, type SourceGrants } from './source-grants.ts';
export { createPlatforms, type Platforms } from './seen-platforms.ts';
export { hashToken, newToken } from './tokens.ts';
export {
  createBuildQueries,
  maxPageSize,
  type BuildFilter,
  type BuildQueries,
  type DeliveryEntry,
} from './build-queries.ts';
