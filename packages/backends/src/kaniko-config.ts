import { cacheTemplateProblem, type BuildOptions } from '@hephy/core';
import { kanikoCapabilities, type KanikoCapabilities } from './kaniko-version.ts';
import type { Mirror } from './registries-conf.ts';

/** What an operator sets for all builds. Only the image and its version have to be said. */
export interface KanikoSettings {
  /** The executor's image. */
  readonly image: string;
  /** Of the executor in that image, such as `1.27.5`. */
  readonly version: string;
  /** A template, for apps that have none of their own; without it no layer of theirs is kept. */
  readonly cacheRepository?: string;
  /** The PersistentVolumeClaim that is mounted at /cache, for a cache in a folder there. */
  readonly cacheClaim?: string;
  /** The ConfigMap whose certificates (PEM) are trusted beside those of the image. */
  readonly authorities?: string;
  /** How long an executor that failed stays, to be looked into. Its image needs a shell. */
  readonly lingerSeconds?: number;
  /** Whether another container pushes what the executor leaves; then the executor itself may write to no registry. */
  readonly isolated?: boolean;
  readonly mirrors?: readonly Mirror[];
  /** `host[:port]` of registries that speak http. */
  readonly plainRegistries?: readonly string[];
  /** For registries, or proxies before them, that HTTP/2 is too much for. */
  readonly http1?: boolean;
  /** An OTLP/HTTP collector. */
  readonly telemetryUrl?: string;
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
    ...cacheProblems(config),
    ...mirrorProblems(config),
  ];
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config };
}

/** Why this executor can't build what an app asks for, as a sentence; undefined when it can. */
export function kanikoOptionRefusal(
  { imageFormat, cacheRepository }: BuildOptions,
  { version, capabilities, isolated }: KanikoConfig,
): string | undefined {
  if (isolated && isRegistry(cacheRepository)) {
    return "builders of this service have no right to push, so a cache in a registry can't be kept; set cacheRepository to null";
  }
  return imageFormat && !capabilities.imageFormat
    ? `kaniko ${version} cannot choose the image format ${imageFormat}; use kaniko 1.28.0 or later, or set imageFormat to null: then it is the base image's`
    : undefined;
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
  telemetryUrl,
  lingerSeconds,
  capabilities,
}: KanikoConfig): string[] {
  const problems: string[] = [];
  const mayHaveShell = image.includes('@') || /[:-]debug$/.test(image);
  if (lingerSeconds !== undefined && !mayHaveShell) {
    problems.push(
      `an executor of ${image} can't stay after its failure, for it has no shell; use the debug image`,
    );
  }
  if (telemetryUrl !== undefined && !capabilities.telemetry) {
    problems.push(
      `kaniko ${version} has no telemetry; use kaniko 1.28.2 or later, or leave it out`,
    );
  }
  return problems;
}

function cacheProblems({ cacheRepository, cacheClaim, isolated }: KanikoConfig): string[] {
  const inFolder = cacheRepository?.startsWith('oci:/cache/') ?? false;
  if (cacheClaim !== undefined && !inFolder) {
    return [`the claim ${cacheClaim} holds no cache; keep it in a folder of oci:/cache/`];
  }
  if (cacheRepository === undefined) return [];
  if (cacheRepository.startsWith('oci:') && cacheClaim === undefined) {
    return [
      `"${cacheRepository}" goes with its pod; keep it in oci:/cache/… and name a claim for it`,
    ];
  }
  const problem = cacheTemplateProblem(cacheRepository);
  if (problem !== undefined) return [problem];
  return isolated && isRegistry(cacheRepository)
    ? [
        `builders that may not push can't keep layers in "${cacheRepository}"; use a folder, oci:/…, or leave the cache out`,
      ]
    : [];
}

function isRegistry(cacheRepository: string | null): boolean {
  return cacheRepository !== null && !cacheRepository.startsWith('oci:');
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
    ...plainRegistries
      .filter((name) => !registryName.test(name))
      .map((name) => `"${name}" is not the name of a registry; write host[:port]`),
  ];
}
