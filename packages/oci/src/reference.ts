/** Where an image lies: `registry/repository[:tag][@digest]`.
 *  Source: OCI distribution-spec v1.1, "Pulling manifests"; Docker's short names for its hub. */
export interface Reference {
  /** `host` or `host:port`, as a user writes it; `registryHost` says where to connect. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

export type ParsedReference = { ok: true; reference: Reference } | { ok: false; problem: string };

const hub = 'docker.io';
const longestRepository = 255;
const registryPattern =
  /^(?:\[[a-fA-F0-9:]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::\d{1,5})?$/;
const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digestPattern = /^sha256:[a-f0-9]{64}$/;

/** Reads a reference as container tools do: a first part with a dot, a colon or `localhost` is the
 *  registry, anything else lies on Docker Hub. Refuses what a registry would refuse. */
export function parseReference(text: string): ParsedReference {
  const [named = '', digest, ...more] = text.split('@');
  const slash = named.indexOf('/');
  const first = named.slice(0, Math.max(slash, 0));
  const hasRegistry = /[.:[]/.test(first) || first === 'localhost';
  const registry = hasRegistry ? first : hub;
  const path = hasRegistry ? named.slice(slash + 1) : named;
  const colon = path.lastIndexOf(':');
  const tag = colon === -1 ? undefined : path.slice(colon + 1);
  const short = colon === -1 ? path : path.slice(0, colon);
  const repository = registry === hub && !short.includes('/') ? `library/${short}` : short;

  const problem =
    (more.length > 0 ? 'it has more than one @' : undefined) ??
    registryProblem(registry) ??
    repositoryProblem(repository) ??
    (tag === undefined ? undefined : tagProblem(tag)) ??
    (digest === undefined ? undefined : digestProblem(digest));
  if (problem) return { ok: false, problem: `"${shown(text)}" is not an image name: ${problem}` };
  return {
    ok: true,
    reference: { registry, repository, ...(tag && { tag }), ...(digest && { digest }) },
  };
}

/** The one text of a reference; `parseReference` reads it back. */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`;
}

/** The `host[:port]` that serves a registry's API. Docker Hub's is not the host of its names. */
export function registryHost(registry: string): string {
  return registry === hub || registry === 'index.docker.io' ? 'registry-1.docker.io' : registry;
}

/** What keeps `text` from being a registry's `host[:port]`, or undefined. */
export function registryProblem(text: string): string | undefined {
  const port = Number(/:(\d+)$/.exec(text)?.[1] ?? 1);
  if (registryPattern.test(text) && text.length <= 255 && port >= 1 && port <= 65_535) {
    return undefined;
  }
  return `registry "${shown(text)}" must be host or host:port`;
}

/** What keeps `text` from being a repository, or undefined. */
export function repositoryProblem(text: string): string | undefined {
  if (text.length > longestRepository)
    return `a repository has at most ${longestRepository} characters`;
  if (repositoryPattern.test(text)) return undefined;
  return `repository "${shown(text)}" must be small letters and digits, parted by / . _ or -`;
}

/** What keeps `text` from being a tag, or undefined. */
export function tagProblem(text: string): string | undefined {
  if (tagPattern.test(text)) return undefined;
  return `tag "${shown(text)}" must be 1 to 128 letters, digits, _ . or -, and not begin with . or -`;
}

/** What keeps `text` from being a digest, or undefined. */
export function digestProblem(text: string): string | undefined {
  return digestPattern.test(text)
    ? undefined
    : `digest "${shown(text)}" must be sha256: and 64 hex digits`;
}

function shown(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return printable.length > 80 ? `${printable.slice(0, 80)}…` : printable;
}
