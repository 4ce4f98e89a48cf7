export type { BackendInput, Command } from './backend.ts';
export { buildahCommands, type BuildahConfig } from './buildah.ts';
export { renderRegistriesConf, type Mirror } from './registries-conf.ts';
export { isPlainRegistry } from './plain-registry.ts';
