/** What an executor can do that the oldest one we know of (1.27) can't. */
export interface KanikoCapabilities {
  /** `--image-format`. */
  readonly imageFormat: boolean;
  /** A platform with a variant: before, its image says the architecture `arm/v7`. Source: osscontainertools/kaniko#745. */
  readonly variants: boolean;
  /** OTLP spans to `KANIKO_TELEMETRY_ENDPOINT`. */
  readonly telemetry: boolean;
}

/** Reads `1.27.5` or `v1.27.5-debug`. Undefined where that is no version; an executor can't be asked, for one that was built from its Go module says `unset`. */
export function kanikoCapabilities(version: string): KanikoCapabilities | undefined {
  const parts = /^v?(\d+)\.(\d+)\.(\d+)(?:-[a-z]+)?$/.exec(version)?.slice(1).map(Number);
  if (!parts) return undefined;
  return {
    imageFormat: isFrom(parts, [1, 28, 0]),
    variants: isFrom(parts, [1, 27, 6]),
    telemetry: isFrom(parts, [1, 28, 2]),
  };
}

function isFrom(version: readonly number[], first: readonly number[]): boolean {
  const different = first.findIndex((part, index) => part !== version[index]);
  return different === -1 || (version[different] ?? 0) > (first[different] ?? 0);
}
