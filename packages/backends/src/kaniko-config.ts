import { cacheTemplateProblem } from './kaniko-cache.ts';
import { kanikoCapabilities, type KanikoCapabilities } from './kaniko-version.ts';
import type { Mirror } from './registries-conf.ts';

/** What an operator sets for all builds. Only the image and its version have to be said. */
export interface KanikoSettings {
  /** The executor's image. */
  readonly image: string;
  /** Of the executor in that image, such as `1.27.5`. */
  readonly version: string;
  /** The image with a shell: `-debug` is put behind the tag. */
  readonly debug?: boolean;
  /** As in kaniko-cache.ts; without it no layer is kept. */
  readonly cacheRepository?: string;
  /** Before 1.28 `zstd` is kaniko's choice only where the base image is in OCI's format; else it stays gzip. */
  readonly compression?: 'gzip' | 'zstd';
  readonly compressionLevel?: number;
  /** What tells that a step changed a file: its content, all that `stat` says, or its time. */
  readonly snapshotMode?: 'full' | 'redo' | 'time';
  /** Without it an image has the format of its base. */
  readonly imageFormat?: 'oci' | 'docker';
  readonly mirrors?: readonly Mirror[];
  /** `host[:port]` of registries that speak http. */
  readonly plainRegistries?: readonly string[];
  /** Registry to the file, in the container, of the authority that signed its certificate. */
  readonly certificates?: Readonly<Record<string, string>>;
  /** Registry to the files, in the container, that we show it. */
  readonly clientCertificates?: Readonly<Record<string, ClientCertificate>>;
  /** For registries, or proxies before them, that HTTP/2 is too much for. */
  readonly http1?: boolean;
  /** An OTLP/HTTP collector. */
  readonly telemetryUrl?: string;
}

export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Settings that `parseKanikoConfig` let through. */
export interface KanikoConfig extends KanikoSettings {
  readonly capabilities: KanikoCapabilities;
}

export type ParsedKanikoConfig =
  | { readonly ok: true; readonly config: KanikoConfig }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Answers every problem at once, each as a sentence. What the executor of that version can't do is one. */
export function parseKanikoConfig(settings: KanikoSettings): ParsedKanikoConfig {
  const capabilities = kanikoCapabilities(settings.version);
  if (!capabilities) {
    const problem = `"${settings.version}" is not a version of kaniko; write it as 1.27.5`;
    return { ok: false, problems: [problem] };
  }
  const config: KanikoConfig = { ...settings, capabilities };
  const problems = [
    ...executorProblems(config),
    ...layerProblems(config),
    ...mirrorProblems(config),
    ...certificateProblems(config),
  ];
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config };
}

/** Why a platform can't be built by this executor, as a sentence; undefined when it can. */
export function kanikoRefusal(
  platform: string,
  { version, capabilities }: KanikoConfig,
): string | undefined {
  // On an arm node the executor finds a variant by itself, whatever it is told.
  const hasVariant = platform.split('/').length > 2 || platform.endsWith('/arm');
  return hasVariant && !capabilities.variants
    ? `kaniko ${version} writes a wrong architecture into images for ${platform}; use kaniko 1.27.6 or later, or drop the platform`
    : undefined;
}

function executorProblems({
  image,
  version,
  debug,
  imageFormat,
  telemetryUrl,
  capabilities,
}: KanikoConfig): string[] {
  const problems: string[] = [];
  if (debug && image.includes('@')) {
    problems.push(`${image} is pinned by digest; give the debug image itself, or a tag`);
  }
  if (imageFormat && !capabilities.imageFormat) {
    problems.push(
      `kaniko ${version} cannot choose the image format ${imageFormat}; use kaniko 1.28.0 or later, or leave the format to the base image`,
    );
  }
  if (telemetryUrl !== undefined && !capabilities.telemetry) {
    problems.push(
      `kaniko ${version} has no telemetry; use kaniko 1.28.2 or later, or leave it out`,
    );
  }
  return problems;
}

const highestLevel = { gzip: 9, zstd: 22 };

function layerProblems({
  cacheRepository,
  compression,
  compressionLevel,
  imageFormat,
}: KanikoConfig): string[] {
  const problems: string[] = [];
  const cacheProblem =
    cacheRepository === undefined ? undefined : cacheTemplateProblem(cacheRepository);
  if (cacheProblem !== undefined) problems.push(cacheProblem);
  if (compression === 'zstd' && imageFormat === 'docker') {
    problems.push("docker's image format has no zstd layers; use gzip, or the image format oci");
  }
  const highest = highestLevel[compression ?? 'gzip'];
  if (compressionLevel !== undefined && !isLevel(compressionLevel, highest)) {
    problems.push(
      `${compressionLevel} is not a compression level of ${compression ?? 'gzip'}; use 1 to ${highest}`,
    );
  }
  return problems;
}

function isLevel(level: number, highest: number): boolean {
  return Number.isInteger(level) && level >= 1 && level <= highest;
}

const registryName = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;
const mirrorAddress = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?(?:\/[A-Za-z0-9._-]+)*$/;

function mirrorProblems({ mirrors = [], plainRegistries = [] }: KanikoConfig): string[] {
  return [
    ...mirrors
      .filter(({ from }) => !registryName.test(from))
      .map(({ from }) => `kaniko mirrors whole registries, and "${from}" is not the name of one`),
    ...mirrors
      .filter(({ to }) => !mirrorAddress.test(to))
      .map(({ to }) => `the mirror "${to}" is not host[:port][/prefix]`),
    ...plainRegistries.filter((name) => !registryName.test(name)).map(notARegistry),
  ];
}

function certificateProblems({
  certificates = {},
  clientCertificates = {},
}: KanikoConfig): string[] {
  const registries = [...Object.keys(certificates), ...Object.keys(clientCertificates)];
  // The executor is given both files of a client certificate in one argument, parted by a comma.
  const files = Object.values(clientCertificates).flatMap(({ certificate, key }) => [
    certificate,
    key,
  ]);
  return [
    ...registries.filter((name) => !registryName.test(name)).map(notARegistry),
    ...files
      .filter((file) => file.includes(','))
      .map((file) => `the path "${file}" of a client certificate has a comma; rename the file`),
  ];
}

function notARegistry(name: string): string {
  return `"${name}" is not the name of a registry; write host[:port]`;
}
