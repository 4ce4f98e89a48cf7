export { SourceDamaged, type PutResult, type SourceStore } from './source-store.ts';
export { createDirectorySourceStore } from './directory-source-store.ts';
