/** The backend of a cluster: kaniko, which builds in one container without privilege, and pushes, or leaves an image. */
import {
  askedFormat,
  cacheRepository,
  type BuilderContainer,
  type ContainerInput,
  type Mount,
} from '@hephy/core';
import { kanikoOptionRefusal, kanikoRefusal, type KanikoConfig } from './kaniko-config.ts';
import { isPlainRegistry, registryOf } from './plain-registry.ts';

/**
 * One container for a platform build. Each value that comes from a user is one argument behind `--flag=`, so that none can
 * become an option. It throws where `kanikoRefusal` or `kanikoOptionRefusal` refuses.
 */
export function kanikoContainer(input: ContainerInput, config: KanikoConfig): BuilderContainer {
  const refusal =
    kanikoRefusal(input.platform, config) ??
    (input.options && kanikoOptionRefusal(input.options, config));
  if (refusal !== undefined) throw new Error(refusal);
  const { lingerSeconds } = config;
  const mounts = mountsOf(config);
  return {
    image: config.image,
    ...(lingerSeconds !== undefined && { command: lingering(lingerSeconds) }),
    ...(mounts.length > 0 && { mounts }),
    args: [
      ...buildFlags(input),
      ...layerFlags(input, config),
      ...registryFlags(input, config),
      ...steadyFlags,
    ],
    environment: environmentOf(input, config),
  };
}

/** Runs the executor with what comes behind it, and stays a while when that failed. */
function lingering(seconds: number): string[] {
  const script = '/kaniko/executor "$@" || { code=$?; sleep "$0"; exit $code; }';
  return ['/busybox/sh', '-c', script, String(seconds)];
}

const authoritiesPath = '/kaniko/authorities';

function mountsOf({ cacheClaim, authorities }: KanikoConfig): Mount[] {
  return [
    ...(cacheClaim ? [{ path: '/cache', from: { claim: cacheClaim } }] : []),
    ...(authorities ? [{ path: authoritiesPath, from: { configMap: authorities } }] : []),
  ];
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

function buildFlags(input: ContainerInput): string[] {
  const top = input.contextDirectory;
  return [
    `--context=dir://${pathBelow(top, input.contextPath)}`,
    `--dockerfile=${pathBelow(top, input.dockerfilePath)}`,
    ...(input.target === null ? [] : [`--target=${csvField(input.target)}`]),
    ...Object.entries(input.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...Object.entries(input.labels).map(([name, value]) => `--label=${name}=${value}`),
    ...outputFlags(input),
    ...platformFlag(input),
  ];
}

function outputFlags({ destination, digestFile, layoutDirectory }: ContainerInput): string[] {
  return layoutDirectory === undefined
    ? [`--destination=${destination}`, `--digest-file=${digestFile}`]
    : ['--no-push', `--oci-layout-path=${layoutDirectory}`];
}

/**
 * Left to itself kaniko takes the platform of its node, and an image that was built in the wrong place says so. Told a
 * platform, it only writes it down. A variant has to be told: a node can be chosen by its architecture alone.
 */
function platformFlag({ platform, foreignNode = false }: ContainerInput): string[] {
  const hasVariant = platform.split('/').length > 2;
  return foreignNode || hasVariant ? [`--custom-platform=${platform}`] : [];
}

function layerFlags(input: ContainerInput, config: KanikoConfig): string[] {
  const { snapshotMode, compression, compressionLevel } = input.options ?? {};
  // An older executor takes the format of the base image; the publisher refuses what then is of another one.
  const imageFormat = config.capabilities.imageFormat ? askedFormat(input.options) : undefined;
  return [
    ...cacheFlags(input, config),
    `--snapshot-mode=${snapshotMode ?? 'full'}`,
    ...(compression ? [`--compression=${compression}`] : []),
    ...(compressionLevel ? [`--compression-level=${compressionLevel}`] : []),
    ...(imageFormat ? [`--image-format=${imageFormat}`] : []),
  ];
}

function cacheFlags(input: ContainerInput, config: KanikoConfig): string[] {
  const template = cacheTemplate(input, config);
  const ttlHours = input.options?.cacheTtlHours;
  if (template === undefined) return ['--cache=false'];
  return [
    '--cache=true',
    `--cache-repo=${cacheRepository(template, input)}`,
    ...(ttlHours ? [`--cache-ttl=${ttlHours}h`] : []),
  ];
}

function cacheTemplate(
  { noCache, options }: ContainerInput,
  config: KanikoConfig,
): string | undefined {
  return noCache ? undefined : (options?.cacheRepository ?? config.cacheRepository);
}

function registryFlags({ destination }: ContainerInput, config: KanikoConfig): string[] {
  const { mirrors = [], plainRegistries = [] } = config;
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
  ];
}

function environmentOf(input: ContainerInput, config: KanikoConfig): Record<string, string> {
  const { http1, telemetryUrl, authorities } = config;
  return {
    // Else files of a plain COPY belong to the USER of the step, and not to root as everywhere else.
    FF_KANIKO_COPY_AS_ROOT: 'true',
    ...((http1 || input.http1) && { FF_KANIKO_DISABLE_HTTP2: 'true' }),
    // `FROM scratch` has no format to take over: OCI, as everywhere else.
    ...(askedFormat(input.options) !== 'docker' && { FF_KANIKO_OCI_SCRATCH_BASE: 'true' }),
    // An executor that doesn't know them yet passes over them.
    ...(cacheTemplate(input, config) !== undefined && {
      // Without these two, two ways to a layer may have one key.
      FF_KANIKO_ROLLING_CACHE_KEY: 'true',
      FF_KANIKO_HASH_DIR_FRAMING: 'true',
      // Without it a layer goes up twice: to the cache, and with the image.
      FF_KANIKO_CROSS_REPO_MOUNT: 'true',
    }),
    ...(authorities && { SSL_CERT_DIR: `/kaniko/ssl/certs:${authoritiesPath}` }),
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
