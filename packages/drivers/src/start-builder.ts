/**
 * Starts a builder once, however many try. Each who tries prepares a `start-<id>/` of its own; the one whose child makes
 * the `starter` link first is the builder, and the others throw theirs away. Killed at any line before that, nothing has
 * been started; at any line after it, the builder goes on by itself.
 */
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { failureOf, type Failure } from '@hephy/core';
import type { SourceStore } from '@hephy/source';
import { replaceFile, type BuilderDirectory } from './builder-directory.ts';
import { builderScript } from './builder-script.ts';
import type { BuilderCommand, CommandsFor } from './commands.ts';
import type { Containment } from './containment.ts';
import { findContextPaths } from './context-paths.ts';
import type { BuilderSpec } from './driver.ts';
import { unpackSource } from './unpack-source.ts';

export interface StartDeps {
  readonly sources: Pick<SourceStore, 'open'>;
  readonly commandsFor: CommandsFor;
  readonly environment: Readonly<Record<string, string>>;
  readonly containment: () => Promise<Containment>;
  /** Files that the commands read, beside the machine's programs. */
  readonly readable: readonly string[];
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
    await mkdir(builder.scratch, { recursive: true, mode: 0o700 });
    await replaceFile(builder.spec, JSON.stringify(spec), id);
    await mkdir(start);
    const failure = await prepare({ spec, builder, start }, deps);
    if (failure) return { ok: false, failure };
    started = await claim({ spec, builder, start }, deps);
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

async function prepare(
  { spec, builder, start }: Start,
  deps: StartDeps,
): Promise<Failure | undefined> {
  const context = path.join(start, 'context');
  const { source, platform, timeLimitMs } = spec;
  const failure = await unpackSource({ source, directory: context, timeoutMs: timeLimitMs }, deps);
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
  return undefined;
}

/** One file for each, in order: its environment, an empty string, its words; NUL ends each of them. */
async function writeCommands(folder: string, commands: readonly BuilderCommand[]): Promise<void> {
  await mkdir(folder);
  for (const [position, { phase, argv, environment }] of commands.entries()) {
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const words = [...variables, '', ...argv];
    const name = `${String(position).padStart(2, '0')}-${phase}`;
    await writeFile(path.join(folder, name), words.map((word) => `${word}\0`).join(''));
  }
}

/** Answers whether we are the one that started it. */
async function claim({ spec, builder, start }: Start, deps: StartDeps): Promise<boolean> {
  const cache = deps.cacheOf(spec);
  await mkdir(path.dirname(cache), { recursive: true, mode: 0o700 });
  const containment = await deps.containment();
  const child = spawn(
    'bash',
    [
      builderScript,
      'claim',
      start,
      String(spec.timeLimitMs / 1000),
      String(Math.max(1, Math.ceil(deps.maxLogBytes / 1024))),
      cache,
      ...containment.wrap({
        read: deps.readable,
        write: [builder.path, path.dirname(cache)],
      }),
    ],
    { cwd: builder.path, env: deps.environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const said = await Promise.all([read(child.stdout), read(child.stderr), spawned(child)]);
  child.unref();
  if (said[0] === 'started\n') return true;
  if (said[0] === 'taken\n') return false;
  throw new Error(`builder ${spec.name} could not be started: ${said[0]}${said[1]}`);
}

function spawned(child: ReturnType<typeof spawn>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once('spawn', resolve);
  child.once('error', reject);
  return promise;
}

/** All of a stream's text: the script closes it once it has said whose the builder is. */
async function read(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const bytes of stream) text += String(bytes);
  return text;
}
