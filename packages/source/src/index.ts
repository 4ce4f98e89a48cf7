export { SourceDamaged, type PutResult, type SourceStore } from './source-store.ts';
export { createDirectorySourceStore } from './directory-source-store.ts';
export { openS3SourceStore } from './open-s3-source-store.ts';
export type { S3Deps, S3SourceStore } from './s3-source-store.ts';
export {
  createSourceListener,
  sourceUrl,
  type SourceListenerDeps,
  type SourceListenerLimits,
} from './source-listener.ts';
export {
  fetchSource,
  type FetchDeps,
  type FetchInput,
  type FetchLimits,
  type FetchResult,
} from './fetch-source.ts';
export { readSourceFile } from './read-source-file.ts';
export { lastWordsOf, readLastWords } from './last-words.ts';
