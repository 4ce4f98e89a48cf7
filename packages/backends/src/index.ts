export { buildahCommands, buildahOptionRefusal, type BuildahConfig } from './buildah.ts';
export { kanikoContainer } from './kaniko.ts';
export {
  kanikoOptionRefusal,
  kanikoRefusal,
  parseKanikoConfig,
  type KanikoConfig,
  type KanikoSettings,
  type ParsedKanikoConfig,
} from './kaniko-config.ts';
export { explainKanikoLog } from './kaniko-log.ts';
export { literalWords } from './literal-words.ts';
export { readableKanikoLog } from './kaniko-readable.ts';
export { kanikoCapabilities, type KanikoCapabilities } from './kaniko-version.ts';
export { renderRegistriesConf, type Mirror } from './registries-conf.ts';
export { mirrored } from './mirrored.ts';
export {
  baseImagesOf,
  type BaseImage,
  type BaseImages,
  type DockerfileDialect,
  type DockerfileUse,
} from './dockerfile/base-images.ts';
export { buildahDialect, kanikoDialect } from './dockerfile/dialects.ts';
export { readInstructions, type Instruction } from './dockerfile/read-instructions.ts';
export { isPlainRegistry } from './plain-registry.ts';
