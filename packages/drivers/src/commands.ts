/** What a driver asks its backend, and gets; `packages/backends` answers in the same shape. */
export interface CommandInput {
  readonly platform: string;
  readonly contextDirectory: string;
  readonly dockerfilePath: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly destination: string;
  readonly noCache: boolean;
  readonly digestFile: string;
  readonly scratchDirectory: string;
  readonly cacheDirectory: string;
}

export interface BuilderCommand {
  /** Whose failure it is: the user's Dockerfile, or the way to the registry. */
  readonly phase: 'build' | 'push';
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
}

export type CommandsFor = (input: CommandInput) => readonly BuilderCommand[];
