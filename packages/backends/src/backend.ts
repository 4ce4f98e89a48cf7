/** What runs: a pure function from a platform build to the commands that build and push it. */
export interface BackendInput {
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
  /** Absolute: what COPY and ADD read. */
  readonly contextDirectory: string;
  /** Absolute. */
  readonly dockerfilePath: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `registry/repository:tag` */
  readonly destination: string;
  readonly noCache: boolean;
  /** Where the backend writes the digest that it pushed. */
  readonly digestFile: string;
  /** Exists, belongs to this builder alone, and goes when it goes. */
  readonly scratchDirectory: string;
  /** May not exist yet; what is left in it is there for the next build of the app for the platform. Nobody else uses it meanwhile. */
  readonly cacheDirectory: string;
}

export interface Command {
  /** Whose failure it is: the user's Dockerfile, or the way to the registry. */
  readonly phase: 'build' | 'push';
  /** Program and arguments; never a shell string, never a secret. */
  readonly argv: readonly [string, ...string[]];
  /** On top of what the driver gives every builder. */
  readonly environment: Readonly<Record<string, string>>;
}
