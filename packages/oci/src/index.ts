export {
  formatPlatform,
  normalizePlatform,
  parsePlatform,
  parsePlatformList,
  platformLabel,
  samePlatform,
} from './platform.ts';
export { offersPlatform } from './offers-platform.ts';
export type { ParsedPlatform, ParsedPlatformList, Platform } from './platform.ts';
export {
  isConfigMediaType,
  isImageMediaType,
  isIndexMediaType,
  manifestMediaTypes,
  mediaTypes,
} from './media-types.ts';
export {
  Descriptor,
  Digest,
  ImageConfig,
  ImageIndex,
  ImageManifest,
  readPlatformFields,
} from './descriptor.ts';
export { buildIndex } from './index-bytes.ts';
export type { BuiltIndex, IndexChild, IndexFailure, IndexInput } from './index-bytes.ts';
export {
  digestProblem,
  formatReference,
  parseReference,
  registryHost,
  registryProblem,
  repositoryProblem,
  tagProblem,
} from './reference.ts';
export type { ParsedReference, Reference } from './reference.ts';
