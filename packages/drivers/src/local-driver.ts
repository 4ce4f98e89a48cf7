/**
 * The driver of one machine: a builder is a directory and the processes that work in it (`builder-directory.ts`), which
 * need no worker to go on. Whoever comes later finds all that there is to know in the directory.
 */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { failureOf } from '@hephy/core';
import type { SourceStore } from '@hephy/source';
import { z } from 'zod';
import {
  builderDirectory,
  builderName,
  hasEnded,
  readIfThere,
  type BuilderDirectory,
} from './builder-directory.ts';
import { readResult } from './builder-result.ts';
import { openChangeBell } from './change-bell.ts';
import type { CommandsFor } from './commands.ts';
import { findContainment, type Containment } from './containment.ts';
import type { BuilderResult, Driver, LogChunk } from './driver.ts';
import { isFull, isMissing } from './errors.ts';
import { followLog } from './follow-log.ts';
import { checkMachine, platformsOfMachine } from './preflight.ts';
import { removeBuilder, pruneCache, removing } from './remove-builder.ts';
import { startBuilder } from './start-builder.ts';
import { cancelBuilder, stopBuilder } from './stop-builder.ts';

export interface LocalDriverOptions {
  /** Holds the builders and, in `.cache`, what they keep for the next build. Ours alone. */
  readonly directory: string;
  readonly sources: Pick<SourceStore, 'open'>;
  readonly commandsFor: CommandsFor;
  /** Programs that the commands need, below `/usr` or `/bin`. */
  readonly programs: readonly string[];
  /** Directories that the commands read, beside the machine's programs: of registries.conf and credentials. */
  readonly readable: readonly string[];
  /** Such as `linux/amd64`. */
  readonly machinePlatform: string;
  /** All that builders inherit: PATH, and proxies if there are. No secrets: a Dockerfile's steps see it. */
  readonly environment: Readonly<Record<string, string>> & { readonly PATH: string };
  readonly maxLogBytes: number;
  /** A cache that is larger after a build is thrown away. */
  readonly maxCacheBytes: number;
  readonly newId: () => string;
}

/** How often we look again, should the kernel not tell us of a change. */
const pollMs = 500;

export function createLocalDriver(options: LocalDriverOptions): Driver {
  const { directory, environment } = options;
  const at = (name: string): BuilderDirectory => builderDirectory(directory, name);
  const machine = {
    platform: options.machinePlatform,
    programs: [...options.programs, 'bash', 'tar', 'flock', 'unshare'],
    searchPath: environment.PATH,
  };
  let containment: Promise<Containment> | undefined;
  const contain = (): Promise<Containment> =>
    (containment ??= findContainment({ directory, read: options.readable, environment }));
  const cacheOf = (spec: KeptSpec): string => cacheDirectory(directory, spec);

  return {
    preflight: (input) => checkMachine(input, machine),
    platforms: () => platformsOfMachine(machine),

    async startOrAdopt(spec) {
      const builder = at(spec.name);
      try {
        await mkdir(builder.path, { recursive: true, mode: 0o700 });
        if ((await readIfThere(builder.starter)) !== undefined) return { ok: true, adopted: true };
        return await startBuilder(spec, builder, { ...options, containment: contain, cacheOf });
      } catch (error) {
        if (!isFull(error)) throw error;
        const { platform } = spec;
        return { ok: false, failure: failureOf('DiskFull', { platform, detail: directory }) };
      }
    },

    followLog: (name, { fromOffset, signal }) => follow(at(name), fromOffset, signal),
    result: (name, { signal }) => waitForResult(at(name), signal),
    cancel: (name) => cancelBuilder(at(name), options.newId()),

    async cleanUp(name) {
      const builder = at(name);
      const spec = await readSpec(builder);
      await stopBuilder(builder);
      const deps = { contain, environment };
      await removeBuilder(builder, deps);
      if (!spec) return;
      await pruneCache({ cache: cacheOf(spec), maxBytes: options.maxCacheBytes }, deps);
    },

    async list() {
      const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
        if (isMissing(error)) return [];
        throw error;
      });
      const names = entries
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => (name.startsWith(removing) ? name.slice(removing.length) : name));
      return [...new Set(names)].filter((name) => builderName.test(name));
    },
  };
}

/** One for each app and platform: what one app leaves there, no other app finds. */
function cacheDirectory(directory: string, { appName, platform }: KeptSpec): string {
  const folder = path.join(directory, '.cache', encodeURIComponent(appName));
  return path.join(folder, encodeURIComponent(platform));
}

async function* follow(
  builder: BuilderDirectory,
  fromOffset: number,
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const bell = openChangeBell(builder.path, pollMs);
  try {
    const log = {
      file: builder.log,
      changed: () => bell.next(signal),
      hasEnded: () => hasEnded(builder),
    };
    yield* followLog(log, fromOffset);
  } finally {
    bell.close();
  }
}

async function waitForResult(
  builder: BuilderDirectory,
  signal: AbortSignal,
): Promise<BuilderResult> {
  const bell = openChangeBell(builder.path, pollMs);
  try {
    do await bell.next(signal);
    while (!(await hasEnded(builder)));
  } finally {
    bell.close();
  }
  const [exit, digest, spec] = await Promise.all([
    readIfThere(builder.exit),
    readIfThere(builder.digest),
    readSpec(builder),
  ]);
  return readResult({ exit, digest, platform: spec?.platform });
}

/** Of `spec.json` what is asked for after the start. */
const KeptSpec = z.object({ appName: z.string(), platform: z.string() });
type KeptSpec = z.infer<typeof KeptSpec>;

/** Undefined if there is none that can be read: its writer was killed. */
async function readSpec(builder: BuilderDirectory): Promise<KeptSpec | undefined> {
  const text = (await readIfThere(builder.spec)) ?? '';
  try {
    return KeptSpec.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
