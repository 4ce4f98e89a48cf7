export { buildahCommands, type BuildahConfig } from './buildah.ts';
export { kanikoContainer, type KanikoInput } from './kaniko.ts';
export {
  kanikoRefusal,
  parseKanikoConfig,
  type ClientCertificate,
  type KanikoConfig,
  type KanikoSettings,
  type ParsedKanikoConfig,
} from './kaniko-config.ts';
export { explainKanikoLog } from './kaniko-log.ts';
export { readableKanikoLog } from './kaniko-readable.ts';
export { kanikoCapabilities, type KanikoCapabilities } from './kaniko-version.ts';
export { renderRegistriesConf, type Mirror } from './registries-conf.ts';
export { isPlainRegistry } from './plain-registry.ts';
