/** What a driver asks its backend, and gets: neither room imports the other. */

interface ImageInput {
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
  /** Absolute, where the builder runs: what COPY and ADD read, or the commit's files. */
  readonly contextDirectory: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `registry/repository:tag` */
  readonly destination: string;
  readonly noCache: boolean;
  /** Where the backend writes the digest that it pushed. */
  readonly digestFile: string;
}

/** For a backend that runs commands on a machine. */
export interface CommandInput extends ImageInput {
  /** Absolute. */
  readonly dockerfilePath: string;
  /** Exists, belongs to this builder alone, and goes when it goes. */
  readonly scratchDirectory: string;
  /** May not exist yet; what is left in it is there for the next build of the app for the platform. Nobody else uses it meanwhile. */
  readonly cacheDirectory: string;
}

export interface BuilderCommand {
  /** Whose failure it is: the user's Dockerfile, or the way to the registry. */
  readonly phase: 'build' | 'push';
  /** Program and arguments; never a shell string, never a secret. */
  readonly argv: readonly [string, ...string[]];
  /** On top of what the driver gives every builder. */
  readonly environment: Readonly<Record<string, string>>;
}

/** For a backend that is an image of its own. */
export interface ContainerInput extends ImageInput {
  /** Both from the top of the commit. */
  readonly contextPath: string;
  readonly dockerfilePath: string;
}

export interface BuilderContainer {
  readonly image: string;
  /** For the image's own entry point; never a secret. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}
