/** Plays the worker and the publisher on the record, one step at a time. */
import {
  advance,
  planBuild,
  platformWorkName,
  type App,
  type BuildRecords,
  type Preflight,
  type WorkKey,
  type WorkOutcome,
} from '@hephy/core';
import { createBuildRecords } from '@hephy/store';
import { digest, platforms, sha, type Rig } from './test-rig.ts';

const image = 'web';
const owner = 'test';

const published = {
  digest,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  sizeBytes: 491,
  children: platforms.map((platform) => ({ platform, digest })),
  tags: [{ tag: `git-${sha.slice(0, 8)}`, moved: true }],
};

function platformKey(buildId: string, platform: string): WorkKey {
  return { buildId, kind: 'platform', name: platformWorkName(image, platform) };
}

type Found = NonNullable<Preflight['result']>;
type Hands = ReturnType<typeof createHands>;

/** What every actor does with the record. */
function createHands({ database, signals, now, newId }: Rig) {
  const records: BuildRecords = createBuildRecords(database.db);
  const queue = { askAdvance: async () => undefined, addStep: async () => undefined };
  const go = (buildId: string): Promise<void> =>
    advance(buildId, { records, queue, signals, now, newId });
  return {
    records,
    go,
    async claim(key: WorkKey): Promise<void> {
      const lease = { owner, until: new Date(now().getTime() + 3_600_000) };
      const claimed = await records.claimWork({ key, attempt: 1, lease, at: now() });
      if (!claimed) throw new Error(`${key.kind} ${key.name} was not claimed`);
      await signals.notify(key.buildId);
    },
    async finish(key: WorkKey, outcome: WorkOutcome): Promise<void> {
      await records.finishWork({ key, owner, outcome, at: now() });
      await go(key.buildId);
    },
  };
}

export function createActors(rig: Rig) {
  const hands = createHands(rig);
  return {
    push: (app: App) => push(app, rig),
    /** From queued to building, with every platform build claimed. */
    async start(buildId: string, found: Pick<Found, 'basePlatforms'> = {}): Promise<void> {
      await hands.go(buildId);
      const begun = await hands.records.readBuild(buildId);
      for (const { kind, name } of begun?.work ?? []) {
        const result = { warnings: [], ...(kind === 'preflight' && found) };
        await hands.claim({ buildId, kind, name });
        await hands.finish({ buildId, kind, name }, { state: 'succeeded', result });
      }
      for (const platform of platforms) await hands.claim(platformKey(buildId, platform));
    },
    say: createSay(rig, hands),
    async fail(buildId: string, platform: string): Promise<void> {
      const failure = { reason: 'BuildFailed', platform, exitCode: 1 } as const;
      await hands.finish(platformKey(buildId, platform), { state: 'failed', failure });
      for (const other of platforms.filter((name) => name !== platform)) {
        await hands.finish(platformKey(buildId, other), { state: 'canceled' });
      }
    },
    /** From building to publishing. */
    async build(buildId: string): Promise<void> {
      for (const platform of platforms) {
        const result = { exitCode: 0, digest };
        await hands.finish(platformKey(buildId, platform), { state: 'succeeded', result });
      }
    },
    /** From publishing to succeeded, or to releasing if there is a hook. */
    async publish(buildId: string): Promise<void> {
      const publication: WorkKey = { buildId, kind: 'publication', name: image };
      await hands.claim(publication);
      await hands.finish(publication, { state: 'succeeded', result: published });
    },
    /** From releasing to the end. */
    async deliver(buildId: string): Promise<void> {
      const delivery: WorkKey = { buildId, kind: 'delivery', name: 'webhook' };
      await hands.claim(delivery);
      await hands.finish(delivery, { state: 'succeeded', result: { status: 204 } });
    },
  };
}

async function push(app: App, { pushes, now, newId }: Rig): Promise<string> {
  const id = newId();
  const at = now();
  const accepted = await pushes.acceptPush({
    id,
    appId: app.id,
    userName: 'owner',
    ref: 'refs/heads/main',
    oldSha: '0'.repeat(40),
    newSha: sha,
    source: { sha256: 'e'.repeat(64), sizeBytes: 10 },
    plan: planBuild({ app, sha, registry: 'registry.test:5000' }),
    deadlineAt: new Date(at.getTime() + 3_600_000),
    at,
  });
  if (!accepted.ok) throw new Error('a build is running');
  return id;
}

/** Stores lines of a platform's builder. */
function createSay({ signals, now }: Rig, { records }: Hands) {
  const offsets = new Map<string, number>();
  return async (buildId: string, platform: string, text: string): Promise<void> => {
    const key = platformKey(buildId, platform);
    const fromOffset = offsets.get(`${buildId} ${platform}`) ?? 0;
    const toOffset = fromOffset + Buffer.byteLength(text);
    offsets.set(`${buildId} ${platform}`, toOffset);
    const piece = { image, platform, fromOffset, toOffset, text };
    const stored = await records.appendLog({ key, owner, piece, at: now() });
    if (!stored) throw new Error('the lines were not stored');
    await signals.notify(buildId);
  };
}
