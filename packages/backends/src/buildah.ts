/** The backend of one machine: buildah, which needs no daemon, and no privilege where user namespaces are to be had. */
import type { BuilderCommand, CommandInput } from '@hephy/core';
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

function buildFlags(input: CommandInput): string[] {
  return [
    // Needs neither a runtime such as crun nor a cgroup of its own.
    '--isolation=chroot',
    '--format=oci',
    '--layers=true',
    '--force-rm=true',
    `--platform=${input.platform}`,
    `--file=${input.dockerfilePath}`,
    ...(input.target === null ? [] : [`--target=${input.target}`]),
    ...(input.noCache ? ['--no-cache'] : []),
    ...Object.entries(input.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...Object.entries(input.labels).map(([name, value]) => `--label=${name}=${value}`),
    `--tag=${input.destination}`,
    '--',
    input.contextDirectory,
  ];
}

function pushFlags({ destination, digestFile }: CommandInput, config: BuildahConfig): string[] {
  const plain = isPlainRegistry(registryOf(destination), config.plainRegistries);
  return [
    '--format=oci',
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
