/** Where an image runs. Names are those of Go (`linux`, `arm64`).
 *  Source: OCI image-spec v1.1, image-index.md, "platform". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

export type ParsedPlatform = { ok: true; platform: Platform } | { ok: false; problem: string };
export type ParsedPlatformList =
  { ok: true; platforms: string[] } | { ok: false; problems: string[] };

const knownSystems = new Set(['linux', 'windows', 'darwin', 'freebsd', 'netbsd', 'openbsd']);
/** Every architecture that we read, with the variants that it may carry. */
const knownVariants: ReadonlyMap<string, readonly string[]> = new Map([
  ['386', []],
  ['amd64', ['v1', 'v2', 'v3', 'v4']],
  ['arm', ['v5', 'v6', 'v7', 'v8']],
  ['arm64', ['v8', 'v9']],
  ['loong64', []],
  ['mips64le', []],
  ['ppc64le', []],
  ['riscv64', []],
  ['s390x', []],
  ['wasm', []],
]);

/** Reads `os/architecture[/variant]`, such as `linux/arm64/v8`, and answers its canonical form.
 *  Refuses what is not known, empty parts and more than three.
 *  Source: OCI image-spec v1.1, image-index.md. */
export function parsePlatform(text: string): ParsedPlatform {
  const parts = text.trim().split('/');
  const [os = '', architecture = '', variant] = parts;
  const refuse = (why: string): ParsedPlatform => ({
    ok: false,
    problem: `"${shown(text)}" is not a platform: ${why}`,
  });
  if (parts.length < 2 || parts.length > 3 || parts.includes('')) {
    return refuse('write it as os/architecture, such as linux/amd64 or linux/arm/v7');
  }
  const platform = normalizePlatform({ os, architecture, ...(variant && { variant }) });
  if (!knownSystems.has(platform.os)) {
    return refuse(`"${shown(os)}" is not one of ${[...knownSystems].join(', ')}`);
  }
  const variants = knownVariants.get(platform.architecture);
  if (!variants) {
    const known = [...knownVariants.keys()].join(', ');
    return refuse(`"${shown(architecture)}" is not one of ${known}`);
  }
  if (platform.variant !== undefined && !variants.includes(platform.variant)) {
    const allowed = variants.length > 0 ? `one of ${variants.join(', ')}` : 'none';
    return refuse(
      `variant "${shown(variant ?? '')}" of ${platform.architecture} must be ${allowed}`,
    );
  }
  return { ok: true, platform };
}

/** Reads the platforms of a build in the order asked, each in canonical form.
 *  Answers every problem at once; two names of one platform are a problem, and so is an empty list. */
export function parsePlatformList(texts: readonly string[]): ParsedPlatformList {
  const problems: string[] = texts.length === 0 ? ['no platform is named; add linux/amd64'] : [];
  const firstNames = new Map<string, string>();
  for (const text of texts) {
    const parsed = parsePlatform(text);
    if (!parsed.ok) {
      problems.push(parsed.problem);
      continue;
    }
    const canonical = formatPlatform(parsed.platform);
    const firstName = firstNames.get(canonical);
    if (firstName === undefined) firstNames.set(canonical, text);
    else
      problems.push(`"${shown(text)}" is ${canonical}, which "${shown(firstName)}" already names`);
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, platforms: [...firstNames.keys()] };
}

/** `os/architecture[/variant]` in canonical form, such as `linux/amd64` or `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

/** Whether both name the same os, architecture and variant, whatever their spelling. */
export function samePlatform(one: Platform, other: Platform): boolean {
  return formatPlatform(one) === formatPlatform(other);
}

/** A short prefix for a log line that is unique among `all`: `arm64`, `arm/v7`, or with the os
 *  when `all` has more than one. Both arguments are canonical names. */
export function platformLabel(platform: string, all: readonly string[]): string {
  const os = platform.split('/', 1)[0] ?? '';
  const oneSystem = all.every((other) => other.startsWith(`${os}/`));
  return oneSystem ? platform.slice(os.length + 1) : platform;
}

/** One spelling for each platform: `x86_64` is `amd64`, `arm64/v8` is `arm64`, `arm` is `arm/v7`.
 *  Source: containerd's platforms package, whose matching runtimes follow. */
export function normalizePlatform(platform: Platform): Platform {
  const { os, architecture, variant, ...rest } = platform;
  const system = os.toLowerCase();
  const cpu = normalizeCpu(architecture.toLowerCase(), variant?.toLowerCase());
  return { os: system === 'macos' ? 'darwin' : system, ...cpu, ...rest };
}

function normalizeCpu(
  architecture: string,
  variant: string | undefined,
): { architecture: string; variant?: string } {
  const version = variant && /^\d/.test(variant) ? `v${variant}` : variant;
  switch (architecture) {
    case 'i386':
      return { architecture: '386' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', ...(version && version !== 'v1' && { variant: version }) };
    case 'aarch64':
    case 'arm64':
      return { architecture: 'arm64', ...(version && version !== 'v8' && { variant: version }) };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture: 'arm', variant: version || 'v7' };
    default:
      return { architecture, ...(version && { variant: version }) };
  }
}

/** What a sentence may repeat of somebody's input: printable and short. */
function shown(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return printable.length > 40 ? `${printable.slice(0, 40)}…` : printable;
}
