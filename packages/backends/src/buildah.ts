/** The backend of one machine: buildah, which needs no daemon, and no privilege where user namespaces are to be had. */
import {
  askedFormat,
  cacheRepository,
  type BuilderCommand,
  type BuildOptions,
  type CommandInput,
} from '@hephy/core';
import { isPlainRegistry, registryOf } from './plain-registry.ts';

export interface BuildahConfig {
  /** A file as `renderRegistriesConf` writes it. Without it the machine's own is used. */
  readonly registriesConfPath?: string;
  /** Credentials as `docker login` stores them. They are in no argument and no log. */
  readonly authFilePath?: string;
  /** `host[:port]` of registries that speak http; loopback always may. */
  readonly plainRegistries: readonly string[];
  /** Buildah's choice where it is left out: overlay where the file system can, else vfs. */
  readonly storageDriver?: 'overlay' | 'vfs';
}

/**
 * `buildah build`, then `buildah push`. Each value that comes from a user is one argument behind `--flag=`, so that none
 * can become an option; the cache keeps base images and layers.
 */
export function buildahCommands(input: CommandInput, config: BuildahConfig): BuilderCommand[] {
  const environment = environmentOf(input, config);
  const buildah: [string, ...string[]] = ['buildah', ...storageFlags(input, config)];
  return [
    { phase: 'build', argv: [...buildah, 'build', ...buildFlags(input)], environment },
    { phase: 'push', argv: [...buildah, 'push', ...pushFlags(input, config)], environment },
  ];
}

/** Why buildah can't build what an app asks for, as a sentence; undefined when it can. */
export function buildahOptionRefusal(options: BuildOptions): string | undefined {
  const { snapshotMode, cacheRepository: cache, compression, compressionLevel } = options;
  if (snapshotMode !== null && snapshotMode !== 'full') {
    return `buildah finds every change of a step, and has no snapshot mode ${snapshotMode}; set snapshotMode to null`;
  }
  // What the cache has is pushed as it is there, whatever the push is told.
  if (cache !== null && (compression === 'zstd' || compressionLevel !== null)) {
    return 'buildah keeps layers in a cache repository in gzip of its own level; set cacheRepository to null, or compression and compressionLevel';
  }
  return undefined;
}

function buildFlags(input: CommandInput): string[] {
  return [
    // Needs neither a runtime such as crun nor a cgroup of its own.
    '--isolation=chroot',
    `--format=${askedFormat(input.options) ?? 'oci'}`,
    '--layers=true',
    '--force-rm=true',
    `--platform=${input.platform}`,
    `--file=${input.dockerfilePath}`,
    ...(input.target === null ? [] : [`--target=${input.target}`]),
    ...cacheFlags(input),
    ...Object.entries(input.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...Object.entries(input.labels).map(([name, value]) => `--label=${name}=${value}`),
    `--tag=${input.destination}`,
    '--',
    input.contextDirectory,
  ];
}

/** Layers are kept in its own storage; a repository shares them with other machines. */
function cacheFlags(input: CommandInput): string[] {
  const { cacheRepository: template, cacheTtlHours } = input.options ?? {};
  if (input.noCache) return ['--no-cache'];
  const repository = template && cacheRepository(template, input);
  return [
    ...(repository ? [`--cache-from=${repository}`, `--cache-to=${repository}`] : []),
    ...(cacheTtlHours ? [`--cache-ttl=${cacheTtlHours}h`] : []),
  ];
}

function pushFlags(
  { destination, digestFile, options }: CommandInput,
  config: BuildahConfig,
): string[] {
  const { compression, compressionLevel } = options ?? {};
  const plain = isPlainRegistry(registryOf(destination), config.plainRegistries);
  return [
    `--format=${askedFormat(options) === 'docker' ? 'v2s2' : 'oci'}`,
    ...(compression ? [`--compression-format=${compression}`] : []),
    ...(compressionLevel ? [`--compression-level=${compressionLevel}`] : []),
    `--digestfile=${digestFile}`,
    ...(plain ? ['--tls-verify=false'] : []),
    '--',
    destination,
    `docker://${destination}`,
  ];
}

function storageFlags(input: CommandInput, { storageDriver }: BuildahConfig): string[] {
  return [
    `--root=${input.cacheDirectory}`,
    `--runroot=${input.scratchDirectory}/run`,
    ...(storageDriver ? [`--storage-driver=${storageDriver}`] : []),
    // Otherwise buildah keeps it under /var, where not everybody may write.
    `--short-name-alias-conf=${input.scratchDirectory}/short-names.conf`,
  ];
}

/** Home and temporary files are the builder's own: no credentials of the worker's user are found, and no file is left. */
function environmentOf(
  { scratchDirectory }: CommandInput,
  { registriesConfPath, authFilePath }: BuildahConfig,
): Record<string, string> {
  return {
    HOME: scratchDirectory,
    TMPDIR: scratchDirectory,
    XDG_RUNTIME_DIR: scratchDirectory,
    ...(registriesConfPath && { CONTAINERS_REGISTRIES_CONF: registriesConfPath }),
    ...(authFilePath && { REGISTRY_AUTH_FILE: authFilePath }),
  };
}
