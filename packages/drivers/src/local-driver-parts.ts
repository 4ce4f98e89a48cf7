/** Parts for tests of the local driver: a backend that runs the commit's Dockerfile as a bash script, and no registry. */
import { mkdtemp, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createDirectorySourceStore, type SourceStore } from '@hephy/source';
import { putFiles, type SourceFile } from '../../../test/parts/source-files.ts';
import { readIfThere } from './builder-directory.ts';
import type { CommandsFor } from './commands.ts';
import type { Behaviour, DriverParts } from './driver-conformance.ts';
import type { BuilderSpec, Driver } from './driver.ts';
import { createLocalDriver, type LocalDriverOptions } from './local-driver.ts';

const digest = `sha256:${'a'.repeat(64)}`;

const scripts: Record<Behaviour, string> = {
  succeeds: 'echo first; echo last',
  fails: 'echo failing; exit 7',
  waits: 'echo waiting; sleep 1000',
  counts: 'seq 1 1000; sleep 0.3; seq 1001 3000',
  refusesPush: 'echo built',
};

/** Runs the Dockerfile with bash, notes that it began, and writes `digest` unless the label `push` refuses it. */
const bashCommands =
  (startsFile: (destination: string) => string): CommandsFor =>
  ({
    dockerfilePath,
    destination,
    digestFile,
    labels,
    buildArgs,
    contextDirectory,
    scratchDirectory,
  }) => [
    {
      phase: 'build',
      argv: [
        'bash',
        '-c',
        'echo >> "$1"; cd "$2"; exec bash "$3"',
        'build',
        startsFile(destination),
        contextDirectory,
        dockerfilePath,
      ],
      environment: { ...buildArgs, SCRATCH: scratchDirectory },
    },
    {
      phase: 'push',
      argv: [
        'bash',
        '-c',
        'if [[ $2 == refused ]]; then exit 125; fi; echo "$3" > "$1"',
        'push',
        digestFile,
        labels['push'] ?? '',
        labels['digest'] ?? digest,
      ],
      environment: {},
    },
  ];

export interface LocalDriverParts extends DriverParts {
  readonly folder: string;
  readonly directory: string;
  readonly sources: SourceStore;
  readonly options: LocalDriverOptions;
  openDriver(changes?: Partial<LocalDriverOptions>): Driver;
  /** A builder of a commit with these files; `Dockerfile` is a bash script. */
  specOf(
    files: Readonly<Record<string, SourceFile>>,
    changes?: Partial<BuilderSpec>,
  ): Promise<BuilderSpec>;
}

/** The same for every process that works in `folder`. */
export function bashDriverOptions(folder: string): LocalDriverOptions {
  const directory = path.join(folder, 'builders');
  return {
    directory,
    sources: createDirectorySourceStore({ directory: path.join(folder, 'sources') }),
    commandsFor: bashCommands((destination) => startsFile(directory, destination)),
    programs: [],
    readable: [],
    machinePlatform: 'linux/amd64',
    environment: { PATH: process.env['PATH'] ?? '' },
    maxLogBytes: 2 ** 20,
    maxCacheBytes: 2 ** 30,
    newId: randomUUID,
  };
}

/** In the one place of ours that a builder sees beside its own. */
function startsFile(directory: string, destination: string): string {
  return path.join(directory, '.cache', 'shop', `starts-${destination.split(':').at(-1)}`);
}

export async function makeLocalDriverParts(): Promise<LocalDriverParts> {
  const folder = await mkdtemp(path.join(tmpdir(), 'hephy-driver-'));
  const { directory } = bashDriverOptions(folder);
  const sources = createDirectorySourceStore({ directory: path.join(folder, 'sources') });
  const options = bashDriverOptions(folder);
  const openDriver: LocalDriverParts['openDriver'] = (changes) =>
    createLocalDriver({ ...options, ...changes });
  const specOf: LocalDriverParts['specOf'] = async (files, changes) =>
    makeSpec(await putFiles(sources, files), changes);
  return {
    folder,
    directory,
    sources,
    options,
    openDriver,
    specOf,
    makeSpec: (behaviour) =>
      specOf(
        { Dockerfile: scripts[behaviour] },
        behaviour === 'refusesPush' ? { labels: { push: 'refused' } } : {},
      ),
    withoutSource: (spec) => ({ ...spec, source: { sha256: '0'.repeat(64), sizeBytes: 1 } }),
    async countStarts({ destination }) {
      const file = startsFile(directory, destination);
      return ((await readIfThere(file)) ?? '').length;
    },
    nativePlatform: 'linux/amd64',
    foreignPlatform: 'linux/arm64',
    async close() {
      const driver = openDriver();
      for (const name of await driver.list()) await driver.cleanUp(name);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function makeSpec(
  source: BuilderSpec['source'],
  changes: Partial<BuilderSpec> = {},
): BuilderSpec {
  const name = `b-${randomUUID()}`;
  return {
    name,
    buildId: 'build',
    appName: 'shop',
    platform: 'linux/amd64',
    source,
    dockerfilePath: 'Dockerfile',
    contextPath: '.',
    target: null,
    buildArgs: {},
    labels: {},
    destination: `registry.test/shop:${name}`,
    noCache: false,
    timeLimitMs: 60_000,
    ...changes,
  };
}
