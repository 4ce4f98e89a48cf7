/** What the Kubernetes driver asks its backend, and gets; `packages/backends` answers in the same shape. */
import type { Failure } from '@hephy/core';

export interface ContainerInput {
  /** Canonical, such as `linux/arm64`: that of the node, too. */
  readonly platform: string;
  /** Absolute, in the container: where the commit's files lie. */
  readonly contextDirectory: string;
  /** Both from the top of the commit. */
  readonly contextPath: string;
  readonly dockerfilePath: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `registry/repository:tag` */
  readonly destination: string;
  readonly noCache: boolean;
  /** Where the backend writes the digest that it pushed. */
  readonly digestFile: string;
}

export interface BuilderContainer {
  readonly image: string;
  /** For the image's own entry point; never a secret. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export type ContainerFor = (input: ContainerInput) => BuilderContainer;

/** What the last lines of a failed container tell; undefined: nothing that is known. */
export type ExplainLog = (
  tail: string,
) => Pick<Failure, 'reason' | 'exitCode' | 'detail'> | undefined;
