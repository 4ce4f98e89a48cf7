/** The backend of a cluster: kaniko, which builds and pushes in one container without privilege. */
import type { BuilderContainer, ContainerInput } from '@hephy/core';
import { cacheRepository } from './kaniko-cache.ts';
import { kanikoRefusal, type KanikoConfig } from './kaniko-config.ts';
import { isPlainRegistry, registryOf } from './plain-registry.ts';

export interface KanikoInput extends ContainerInput {
  /** The node is of another platform than that: then only what copies files can be built. */
  readonly foreignNode?: boolean;
  /** Leave HTTP/2 alone: a try before this one failed over it. */
  readonly http1?: boolean;
}

/**
 * One container for a platform build. Each value that comes from a user is one argument behind `--flag=`, so that none can
 * become an option. It throws where `kanikoRefusal` refuses.
 */
export function kanikoContainer(input: KanikoInput, config: KanikoConfig): BuilderContainer {
  const refusal = kanikoRefusal(input.platform, config);
  if (refusal !== undefined) throw new Error(refusal);
  return {
    image: config.debug ? debugImage(config.image) : config.image,
    args: [
      ...buildFlags(input),
      ...layerFlags(input, config),
      ...registryFlags(input, config),
      ...steadyFlags,
    ],
    environment: environmentOf(input, config),
  };
}

const steadyFlags = [
  // It seeks signs of a container, and finds none where a pod has no service account's token and its root is no overlay.
  '--force',
  // The preflight asked already; kaniko's own question leaves an upload open.
  '--skip-push-permission-check',
  // A file of the node's that some runtimes mount into every container. Source: GoogleContainerTools/kaniko#2164.
  '--ignore-path=/product_uuid',
  '--push-retry=3',
  '--image-download-retry=3',
  '--image-fs-extract-retry=2',
  // One event a line, told apart from what the steps print.
  '--log-format=text',
];

function buildFlags(input: KanikoInput): string[] {
  const top = input.contextDirectory;
  return [
    `--context=dir://${pathBelow(top, input.contextPath)}`,
    `--dockerfile=${pathBelow(top, input.dockerfilePath)}`,
    ...(input.target === null ? [] : [`--target=${csvField(input.target)}`]),
    ...Object.entries(input.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...Object.entries(input.labels).map(([name, value]) => `--label=${name}=${value}`),
    `--destination=${input.destination}`,
    `--digest-file=${input.digestFile}`,
    ...platformFlag(input),
  ];
}

/**
 * Left to itself kaniko takes the platform of its node, and an image that was built in the wrong place says so. Told a
 * platform, it only writes it down. A variant has to be told: a node can be chosen by its architecture alone.
 */
function platformFlag({ platform, foreignNode = false }: KanikoInput): string[] {
  const hasVariant = platform.split('/').length > 2;
  return foreignNode || hasVariant ? [`--custom-platform=${platform}`] : [];
}

function layerFlags(input: KanikoInput, config: KanikoConfig): string[] {
  const { compression, compressionLevel, capabilities } = config;
  // A layer in zstd needs OCI's format; an older executor has that only from its base image.
  const oci = compression === 'zstd' && capabilities.imageFormat ? 'oci' : undefined;
  const imageFormat = config.imageFormat ?? oci;
  return [
    ...(isCached(input, config)
      ? ['--cache=true', `--cache-repo=${cacheRepository(config.cacheRepository, input)}`]
      : ['--cache=false']),
    `--snapshot-mode=${config.snapshotMode ?? 'full'}`,
    ...(compression ? [`--compression=${compression}`] : []),
    ...(compressionLevel === undefined ? [] : [`--compression-level=${compressionLevel}`]),
    ...(imageFormat ? [`--image-format=${imageFormat}`] : []),
  ];
}

function isCached<C extends KanikoConfig>(
  { noCache }: KanikoInput,
  config: C,
): config is C & { readonly cacheRepository: string } {
  return !noCache && config.cacheRepository !== undefined;
}

function registryFlags({ destination }: KanikoInput, config: KanikoConfig): string[] {
  const { mirrors = [], plainRegistries = [], certificates = {}, clientCertificates = {} } = config;
  const distrusted = mirrors.filter(({ insecure }) => insecure).map(({ to }) => hostOf(to));
  const target = registryOf(destination);
  const plain = [
    ...plainRegistries,
    ...distrusted,
    ...(isPlainRegistry(target, plainRegistries) ? [target] : []),
  ];
  return [
    ...mirrors.map(({ from, to }) => `--registry-map=${ownName(from)}=${to}`),
    // A mirror takes the place of its registry.
    ...(mirrors.length > 0 ? ['--skip-default-registry-fallback'] : []),
    ...once(plain).map((registry) => `--insecure-registry=${registry}`),
    ...once(distrusted).map((registry) => `--skip-tls-verify-registry=${registry}`),
    ...Object.entries(certificates).map(
      ([registry, file]) => `--registry-certificate=${ownName(registry)}=${file}`,
    ),
    ...Object.entries(clientCertificates).map(
      ([registry, { certificate, key }]) =>
        `--registry-client-cert=${ownName(registry)}=${certificate},${key}`,
    ),
  ];
}

function environmentOf(input: KanikoInput, config: KanikoConfig): Record<string, string> {
  const { http1, imageFormat, telemetryUrl } = config;
  return {
    // Else files of a plain COPY belong to the USER of the step, and not to root as everywhere else.
    FF_KANIKO_COPY_AS_ROOT: 'true',
    ...((http1 || input.http1) && { FF_KANIKO_DISABLE_HTTP2: 'true' }),
    // `FROM scratch` has no format to take over: OCI, as everywhere else.
    ...(imageFormat !== 'docker' && { FF_KANIKO_OCI_SCRATCH_BASE: 'true' }),
    // Without them two ways to a layer may have one key. An executor that doesn't know them yet passes over them.
    ...(isCached(input, config) && {
      FF_KANIKO_ROLLING_CACHE_KEY: 'true',
      FF_KANIKO_HASH_DIR_FRAMING: 'true',
    }),
    // Spans carry the Dockerfile unless they are told not to.
    ...(telemetryUrl !== undefined && {
      KANIKO_TELEMETRY_ENDPOINT: telemetryUrl,
      KANIKO_TELEMETRY_OMIT_DOCKERFILE: 'true',
    }),
  };
}

/** `--target` is read as a line of CSV. */
function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Without empty parts, so that no `://` is left for kaniko to take for a protocol. */
function pathBelow(directory: string, path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return [directory, ...parts].join('/');
}

/** What kaniko calls Docker Hub; it looks its own names up in flags, not those of a Dockerfile. */
function ownName(registry: string): string {
  return registry === 'docker.io' ? 'index.docker.io' : registry;
}

function hostOf(address: string): string {
  return address.split('/')[0] ?? address;
}

function once(values: readonly string[]): string[] {
  return [...new Set(values.map(ownName))];
}

function debugImage(image: string): string {
  const isTagged = image.lastIndexOf(':') > image.lastIndexOf('/');
  return isTagged ? `${image}-debug` : `${image}:debug`;
}
