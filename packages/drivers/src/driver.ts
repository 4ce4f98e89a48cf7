/**
 * Where builders run. A driver starts a platform build under a name that follows from the record, or adopts the one
 * that already has the name; from then on it can be asked about by name from any process that comes later.
 * Every kind passes `driver-conformance.ts`.
 */
import type { BuildOptions, Failure, PlatformNodes, SourceRef } from '@hephy/core';

export interface BuilderSpec {
  /** Deterministic: `b-<build>-<image>-<platform>-a<attempt>`, lower case, usable as a file name and a KubeJob name. */
  readonly name: string;
  readonly buildId: string;
  readonly appName: string;
  readonly platform: string;
  readonly source: SourceRef;
  /** Both from the top of the repository. */
  readonly dockerfilePath: string;
  readonly contextPath: string;
  readonly target: string | null;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: nothing beside the Dockerfile is asked. */
  readonly options?: BuildOptions;
  /** Leave HTTP/2 alone: an attempt before this one failed over it. */
  readonly http1?: boolean;
  /** An attempt before this one ran out of memory: half as much again, where builders have a limit. */
  readonly moreMemory?: true;
  /** Where attempts before this one failed by the node's fault: another one, if there is one. */
  readonly avoidNodes?: readonly string[];
  /** Where the builder pushes to: a tag of this attempt alone, `registry/repository:b-…`. */
  readonly destination: string;
  readonly noCache: boolean;
  readonly timeLimitMs: number;
  /** Where no node of its architecture takes it, one of another may: there only what copies files can be built. */
  readonly anyNode?: true;
  /** How long it may wait for a node; without it, as long as the driver waits by itself. */
  readonly waitForNodesMs?: number;
}

export interface PreflightInput {
  readonly platforms: readonly string[];
  readonly requireNativeNodes: boolean;
  /** How long a platform may wait for its first ready node, where nodes come by themselves; without it, not at all. */
  readonly waitForNodesMs?: number;
}

export type PreflightResult =
  | { readonly ok: true; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly failure: Failure };

export interface LogChunk {
  /**
   * Position in the builder's log in bytes, at most 64 KiB further each time. The chunk holds whole lines, each ended by
   * `\n`; a longer line comes in pieces that end with it too.
   */
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly text: string;
}

export type BuilderResult =
  /** `digest` is what the builder says it pushed: `sha256:<64 hex>`. To be believed only once the registry agrees. */
  | { readonly ok: true; readonly exitCode: 0; readonly digest: string }
  | { readonly ok: false; readonly failure: Failure };

export interface Driver {
  /** Answers within 2 s whether all platforms can be built here; starts nothing. */
  preflight(input: PreflightInput): Promise<PreflightResult>;
  /** What can be built for now, from what a preflight looks at: each platform that there is, in order. Starts nothing. */
  platforms(): Promise<readonly PlatformNodes[]>;
  /**
   * Starts the builder, or finds it under its name, running or ended; however many try, it is started once. Refused for a
   * known reason (the source, the disk, a Dockerfile that is not there): a failure, and nothing has been started.
   */
  startOrAdopt(
    spec: BuilderSpec,
  ): Promise<
    | { readonly ok: true; readonly adopted: boolean }
    | { readonly ok: false; readonly failure: Failure }
  >;
  /**
   * The builder's output from `fromOffset` on, live; ends when the builder has ended and all of it was read. `fromOffset`
   * is 0 or the `toOffset` of a chunk. Rejects with the signal's reason when that aborts first.
   */
  followLog(
    name: string,
    options: { fromOffset: number; signal: AbortSignal },
  ): AsyncIterable<LogChunk>;
  /** Waits until the builder has ended. Rejects with the signal's reason when that aborts first. */
  result(name: string, options: { signal: AbortSignal }): Promise<BuilderResult>;
  /** Stops the builder and all that it started, within 2 s. Ended or unknown: nothing to do. */
  cancel(name: string): Promise<void>;
  /** Removes all that the builder left, once its outcome is recorded. Unknown: nothing to do. */
  cleanUp(name: string): Promise<void>;
  /** Names of all builders here, running or ended, for the sweep of those that no record knows. */
  list(): Promise<string[]>;
}
