/** What a driver asks its backend, and gets: neither room imports the other. */
import type { BuildOptions } from './build-options.ts';

interface ImageInput {
  /** Canonical, such as `linux/arm64`. */
  readonly platform: string;
  /** Absolute, where the builder runs: what COPY and ADD read, or the commit's files. */
  readonly contextDirectory: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: nothing beside the Dockerfile is asked. */
  readonly options?: BuildOptions;
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
  /** Leave HTTP/2 alone: an attempt before this one failed over it. */
  readonly http1?: boolean;
  /** The node is of another architecture than the image: only what copies files can be built. */
  readonly foreignNode?: boolean;
  /** Where the image is left as an OCI layout, for another container to push; without it the backend pushes by itself. */
  readonly layoutDirectory?: string;
}

export interface BuilderContainer {
  readonly image: string;
  /** What an operator has put beside the builders, in their namespace. */
  readonly mounts?: readonly Mount[];
  /** Instead of the image's own entry point. */
  readonly command?: readonly string[];
  /** Behind it; never a secret. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface Mount {
  /** Absolute. */
  readonly path: string;
  /** A PersistentVolumeClaim to write to, or a ConfigMap to read. */
  readonly from: { readonly claim: string } | { readonly configMap: string };
}
