/**
 * Starts a builder once, however many try. Each who tries prepares a `start-<id>/` of its own; the one whose child makes
 * the `starter` link first is the builder, and the others throw theirs away. Killed at any line before that, nothing has
 * been started; at any line after it, the builder goes on by itself.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { failureOf, type BuilderCommand, type Failure } from '@hephy/core';
import type { SourceStore } from '@hephy/source';
import { replaceFile, type BuilderDirectory } from './builder-directory.ts';
import { startClaim, type Claim } from './claim.ts';
import type { CommandsFor } from './commands.ts';
import type { Containment } from './containment.ts';
import { findContextPaths } from './context-paths.ts';
import type { BuilderSpec } from './driver.ts';

export interface StartDeps {
  readonly sources: Pick<SourceStore, 'open'>;
  readonly commandsFor: CommandsFor;
  readonly environment: Readonly<Record<string, string>>;
  readonly containment: () => Promise<Containment>;
  /** Where the cache of the app for the platform lies. */
  readonly cacheOf: (spec: BuilderSpec) => string;
  readonly maxLogBytes: number;
  readonly newId: () => string;
}

export async function startBuilder(
  spec: BuilderSpec,
  builder: BuilderDirectory,
  deps: StartDeps,
): Promise<
  | { readonly ok: true; readonly adopted: boolean }
  | { readonly ok: false; readonly failure: Failure }
> {
  const id = deps.newId();
  const start = path.join(builder.path, `start-${id}`);
  let started = false;
  try {
    await Promise.all([
      mkdir(builder.scratch, { recursive: true, mode: 0o700 }),
      mkdir(path.join(start, 'context'), { recursive: true }),
      mkdir(path.join(start, 'commands'), { recursive: true }),
      mkdir(path.dirname(deps.cacheOf(spec)), { recursive: true, mode: 0o700 }),
      replaceFile(builder.spec, JSON.stringify(spec), id),
    ]);
    const answer = await startOnce({ spec, builder, start }, deps);
    if (typeof answer !== 'boolean') return { ok: false, failure: answer };
    started = answer;
    return { ok: true, adopted: !started };
  } finally {
    if (!started) await rm(start, { recursive: true, force: true });
  }
}

interface Start {
  readonly spec: BuilderSpec;
  readonly builder: BuilderDirectory;
  readonly start: string;
}

/** Answers whether we are the one that started it, or why nobody can. */
async function startOnce(
  { spec, builder, start }: Start,
  deps: StartDeps,
): Promise<boolean | Failure> {
  const context = path.join(start, 'context');
  const claim = await openClaim({ spec, builder, start }, deps);
  try {
    const { source, platform, timeLimitMs } = spec;
    const failure = await claim.unpack(deps.sources.open(source), timeLimitMs);
    if (failure) return { ...failure, platform };
    const paths = await findContextPaths(context, spec);
    if (!paths.ok) return failureOf('BuildFailed', { platform, detail: paths.problem });
    const commands = deps.commandsFor({
      ...spec,
      contextDirectory: paths.contextDirectory,
      dockerfilePath: paths.dockerfilePath,
      digestFile: builder.digest,
      scratchDirectory: builder.scratch,
      cacheDirectory: builder.cache,
    });
    await writeCommands(path.join(start, 'commands'), commands);
    return await claim.go();
  } finally {
    await claim.leave();
  }
}

/** One file for each, in order: its environment, an empty string, its words; NUL ends each of them. */
async function writeCommands(folder: string, commands: readonly BuilderCommand[]): Promise<void> {
  const write = ({ phase, argv, environment }: BuilderCommand, position: number): Promise<void> => {
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const words = [...variables, '', ...argv];
    const name = `${String(position).padStart(2, '0')}-${phase}`;
    return writeFile(path.join(folder, name), words.map((word) => `${word}\0`).join(''));
  };
  await Promise.all(commands.map(write));
}

async function openClaim({ spec, builder, start }: Start, deps: StartDeps): Promise<Claim> {
  const cache = deps.cacheOf(spec);
  const containment = await deps.containment();
  return startClaim({
    directory: builder.path,
    environment: deps.environment,
    words: [
      start,
      String(spec.timeLimitMs / 1000),
      String(Math.max(1, Math.ceil(deps.maxLogBytes / 1024))),
      cache,
      ...(await containment.wrap({
        table: path.join(start, 'mounts'),
        write: [builder.path, path.dirname(cache)],
      })),
    ],
  });
}
