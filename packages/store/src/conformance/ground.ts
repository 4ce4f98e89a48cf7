/** Builds for the tests of the conformance suite, and the steps that many of them begin with. */
import type {
  Build,
  BuildChange,
  BuildEvent,
  BuildRecord,
  BuildRecords,
  NewWork,
  WorkKey,
} from '@hephy/core';
import type { RecordsUnderTest } from '../build-records-conformance.ts';

export interface Ground {
  readonly records: BuildRecords;
  readonly newId: () => string;
  /** A new build of a new app, with these differences. */
  readonly seed: (differences?: Partial<Build>) => Promise<Build>;
  /** The build as it is now. */
  readonly read: (buildId: string) => Promise<BuildRecord>;
  /** Applies a change to the build as it is now. */
  readonly change: (buildId: string, change: BuildChange, atMs?: number) => Promise<void>;
  /** Of a new build that has this work alone: running since 0, held by `owner` until 10 s. */
  readonly seedRunning: (work: NewWork) => Promise<WorkKey>;
  readonly events: (buildId: string) => Promise<BuildEvent[]>;
}

const start = Date.UTC(2026, 0, 1);

/** A moment, in milliseconds after the suite's beginning of time. */
export function at(ms: number): Date {
  return new Date(start + ms);
}

export const owner = 'owner-one';
export const arm64 = 'linux/arm64';
export const platformWork = {
  kind: 'platform',
  name: `web ${arm64}`,
  image: 'web',
  platform: arm64,
} as const;
export const publicationWork = { kind: 'publication', name: 'web', image: 'web' } as const;
export const deliveryWork = { kind: 'delivery', name: 'webhook' } as const;
export const preflightWork = { kind: 'preflight', name: 'preflight' } as const;

export function makeGround({ records, seedBuild }: RecordsUnderTest): Ground {
  let ids = 0;
  const newId = (): string => `01J${String((ids += 1)).padStart(23, '0')}`;
  const read = async (buildId: string): Promise<BuildRecord> => {
    const record = await records.readBuild(buildId);
    if (!record) throw new Error(`no build ${buildId}`);
    return record;
  };
  const ground: Ground = {
    records,
    newId,
    read,
    async seed(differences = {}) {
      const build = { ...plainBuild(newId), ...differences };
      await seedBuild(build);
      return build;
    },
    async change(buildId, change, atMs = 0) {
      const { version } = (await read(buildId)).build;
      const applied = await records.applyChange({ buildId, version, change, at: at(atMs), newId });
      if (!applied) throw new Error('the change was refused');
    },
    async seedRunning(work) {
      const { id } = await ground.seed();
      await ground.change(id, { addWork: [work] });
      const key = { buildId: id, kind: work.kind, name: work.name };
      const lease = { owner, until: at(10_000) };
      if (!(await records.claimWork({ key, attempt: 1, lease, at: at(0) }))) {
        throw new Error('the work was not given');
      }
      return key;
    },
    async events(buildId) {
      const entries = await records.readOutput({ buildId, afterSeq: 0, limit: 1000 });
      return entries.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []));
    },
  };
  return ground;
}

function plainBuild(newId: () => string): Build {
  const id = newId();
  const appName = `app-${id.slice(-6)}`;
  return {
    id,
    appId: newId(),
    appName,
    number: 1,
    sha: 'a'.repeat(40),
    ref: 'refs/heads/main',
    pushedBy: 'ada',
    source: { sha256: 'b'.repeat(64), sizeBytes: 3_000_000_000 },
    plan: {
      images: [
        {
          name: 'web',
          repository: `registry.test/${appName}`,
          platforms: ['linux/amd64', arm64],
          dependsOn: [],
          dockerfilePath: 'Dockerfile',
          contextPath: '.',
          target: null,
          buildArgs: { QUOTE: `'"\\{}` },
          labels: {},
          tags: ['git-aaaaaaaa', 'latest'],
          index: true,
        },
      ],
      requireNativeNodes: true,
      noCache: false,
      timeLimitSeconds: 60,
      hook: true,
    },
    state: 'queued',
    failure: null,
    cancelRequest: null,
    createdAt: at(0),
    startedAt: null,
    finishedAt: null,
    deadlineAt: at(3_600_000),
    version: 1,
  };
}
